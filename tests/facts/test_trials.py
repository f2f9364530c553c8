from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.facts.fact import ResponseEvidence
from cds.facts.trials.definition import CompiledAdherence
from cds.facts.trials.trials import TrialFinder
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Sig, Span
from cds.terminology.concepts import Coding, Concept
from cds.terminology.systems import ATC
from tests.facts.builders import (
    ALL_SENT,
    TODAY,
    TWO_SCALES,
    daily,
    day,
    filled,
    look,
    month,
    on_scale,
    record,
    scored,
    sort,
    taken,
    trials,
    wanted,
)

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def last_day(start: str, days: int) -> str:
    return (date.fromisoformat(start) + timedelta(days=days - 1)).isoformat()


@pytest.mark.parametrize(("days", "adequate"), [(41, F), (42, T), (43, T)])
def test_a_trial_is_adequate_from_the_required_day_on_both_ends_counted(days: int, adequate: Truth) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", last_day("2025-02-01", days), 50))

    assert trial.adequate is adequate
    assert trial.days_at_dose == (days, days)


@pytest.mark.parametrize(("mg", "adequate"), [(49.9, F), (50, T), (51, T)])
def test_a_trial_is_adequate_from_the_minimum_dose_on(mg: float, adequate: Truth) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", mg))

    assert (trial.dose_adequate, trial.adequate) == (adequate, adequate)


def test_a_start_that_was_not_recorded_leaves_adequacy_open_where_no_episode_bounds_it_either() -> None:
    (trial,) = trials(replace(taken("alfadep", "2025-02-01", "2025-04-30", 50), start=None), scored(12, "2025-04-20"))

    assert trial.adequate is U


def test_a_dose_that_was_not_recorded_leaves_adequacy_open_and_is_asked_for() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30"))

    assert (trial.dose_adequate, trial.long_enough, trial.adequate) == (U, T, U)
    assert "alfadep dose" in trial.missing


def test_an_unknown_dose_does_not_save_a_trial_that_was_too_short() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-03-01"))

    assert trial.adequate is F


def test_a_drug_without_a_minimum_in_the_table_cannot_be_rated() -> None:
    (trial,) = trials(taken("nodosedep", "2025-02-01", "2025-04-30", 500))

    assert trial.adequate is U
    assert any("drug table" in what for what in trial.missing)


@pytest.mark.parametrize(("weeks_at_dose", "adequate"), [(7, T), (3, F)])
def test_only_days_at_dose_count_towards_duration(weeks_at_dose: int, adequate: Truth) -> None:
    low = taken("alfadep", "2025-02-01", "2025-02-28", 25)
    high = taken("alfadep", "2025-03-01", last_day("2025-03-01", 7 * weeks_at_dose), 50)

    (trial,) = trials(low, high)

    assert trial.adequate is adequate
    assert trial.days_at_dose == (7 * weeks_at_dose, 7 * weeks_at_dose)


@pytest.mark.parametrize(("gap_days", "spells"), [(0, 1), (14, 1), (15, 2)])
def test_a_gap_up_to_the_limit_joins_two_orders_into_one_trial(gap_days: int, spells: int) -> None:
    second_start = date(2025, 3, 1) + timedelta(days=gap_days)
    first = taken("alfadep", "2025-02-01", "2025-02-28", 50)
    second = taken("alfadep", second_start.isoformat(), last_day(second_start.isoformat(), 28), 50)

    found = trials(first, second)

    assert len(found) == spells
    assert [trial.adequate for trial in found] == ([T] if spells == 1 else [F, F])


def test_days_in_a_gap_do_not_count_as_days_at_dose() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-02-20", 50), taken("alfadep", "2025-03-03", "2025-03-31", 50)
    )

    assert trial.days_at_dose == (49, 49)


def test_doses_of_concurrent_orders_of_one_ingredient_add_up() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 20, source="MedicationRequest/a"),
        taken("alfadep", "2025-02-01", "2025-04-30", 30, source="MedicationRequest/b"),
    )

    assert trial.adequate is T
    assert trial.highest_mg_a_day == (50, 50)


@pytest.mark.parametrize("kind", [ExposureKind.REQUEST, ExposureKind.STATEMENT, ExposureKind.DISPENSE])
@pytest.mark.parametrize(("numbers", "adequate"), [(("1", "2"), T), (("1", "1"), U), (("1", ""), U), (("", ""), U)])
def test_orders_that_say_the_same_add_up_only_when_their_numbers_tell_them_apart(
    kind: ExposureKind, numbers: tuple[str, str], adequate: Truth
) -> None:
    (trial,) = trials(
        *(
            taken(
                "alfadep",
                "2025-02-01",
                "2025-04-30",
                25,
                source=f"{kind.value}/{name}",
                kind=kind,
                supply_days=89.0,
                numbers=(("orders", number),) if number else (),
            )
            for name, number in zip("ab", numbers, strict=True)
        )
    )

    assert trial.highest_mg_a_day == (50 if adequate is T else 25, 50)
    assert trial.adequate is adequate


def test_an_order_that_arrives_twice_at_an_adequate_dose_is_adequate() -> None:
    (trial,) = trials(
        *(taken("alfadep", "2025-02-01", "2025-04-30", 50, source=f"MedicationRequest/{name}") for name in "ab")
    )

    assert trial.adequate is T


def test_two_instructions_of_one_order_add_up() -> None:
    sig = replace(daily(25)[0], start=day("2025-02-01"), end=day("2025-04-30"))

    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", sigs=(sig, sig)))

    assert trial.highest_mg_a_day == (50, 50)


def test_two_administrations_of_one_day_are_two() -> None:
    given = [
        replace(
            taken("alfadep", "2025-02-01", "2025-02-01", 25, source=f"MedicationAdministration/{name}"),
            kind=ExposureKind.ADMINISTRATION,
        )
        for name in "ab"
    ]

    (trial,) = trials(*given)

    assert trial.highest_mg_a_day == (50, 50)


def test_a_later_order_may_have_replaced_an_open_ended_one_so_the_sum_is_only_possible() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", None, 25, source="MedicationRequest/a"),
        taken("alfadep", "2025-03-01", None, 25, source="MedicationRequest/b"),
    )

    assert trial.adequate is U
    assert trial.highest_mg_a_day == (25, 50)


def test_the_same_taking_in_orders_fills_and_statements_is_one_trial_at_one_dose() -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 25)
    fill = replace(order, source="MedicationDispense/1", kind=ExposureKind.DISPENSE, supply_days=89)
    statement = replace(order, source="MedicationStatement/1", kind=ExposureKind.STATEMENT)

    (trial,) = trials(order, fill, statement)

    assert trial.highest_mg_a_day == (25, 25)
    assert trial.adequate is F


def test_a_statement_without_a_dose_does_not_open_a_dose_the_order_gives() -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 25)
    statement = replace(order, source="MedicationStatement/1", kind=ExposureKind.STATEMENT, sigs=())

    (trial,) = trials(order, statement)

    assert trial.dose_adequate is F


def test_an_early_refill_begins_when_the_last_one_is_used_up() -> None:
    fills = [
        replace(
            taken("p-alfa-25", start, None),
            source=f"MedicationDispense/{start}",
            kind=ExposureKind.DISPENSE,
            open_ended=False,
            quantity=60.0,
            quantity_unit="{tablet}",
            supply_days=30.0,
        )
        for start in ("2025-02-01", "2025-02-25")
    ]

    (trial,) = trials(*fills)

    assert trial.highest_mg_a_day == (50, 50)
    assert trial.days_at_dose == (60, 60)


def test_tablets_count_by_the_strength_of_the_product() -> None:
    (trial,) = trials(taken("p-alfa-25", "2025-02-01", "2025-04-30", sigs=daily(1, "{tablet}", 2.0)))

    assert trial.highest_mg_a_day == (50, 50)


def test_a_weekly_dose_is_divided_by_seven() -> None:
    (trial,) = trials(taken("p-alfa-week", "2025-02-01", "2025-04-30", sigs=daily(1, "{capsule}", 1 / 7)))

    assert trial.highest_mg_a_day == (50, 50)


def test_a_patch_is_rated_by_hours_and_another_form_of_that_drug_is_no_trial() -> None:
    (trial,) = trials(taken("p-patch", "2025-02-01", "2025-04-30", sigs=daily(1, "{patch}")))

    assert trial.highest_mg_a_day == (6, 6)
    assert trials(taken("p-patch-tablet", "2025-02-01", "2025-04-30", sigs=daily(1, "{tablet}"))) == ()


@pytest.mark.parametrize(
    "sig",
    [
        Sig(low=50, high=50, unit="mg", times_a_day_low=1, times_a_day_high=1, as_needed=True),
        Sig(low=50, high=50, unit="", times_a_day_low=1, times_a_day_high=1),
        Sig(low=50, high=50, unit="mg"),
        Sig(low=2, high=2, unit="{tablet}", times_a_day_low=1, times_a_day_high=1),
        Sig(low=2, high=2, unit="[puff]", times_a_day_low=1, times_a_day_high=1),
    ],
    ids=["as needed", "no unit", "no timing", "tablets of unknown strength", "a unit that does not fit"],
)
def test_a_dose_that_cannot_be_told_is_unknown_never_zero(sig: Sig) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", sigs=(sig,)))

    assert trial.adequate is U


def test_grams_are_converted() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", sigs=daily(0.05, "g")))

    assert trial.adequate is T


@pytest.mark.parametrize(("mg", "adequate"), [(500, T), (501, U), (1e308, U)])
def test_a_dose_too_high_to_be_true_is_unknown(mg: float, adequate: Truth) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", mg))

    assert trial.adequate is adequate


def test_a_dose_range_on_both_sides_of_the_minimum_is_unknown() -> None:
    sig = Sig(low=25, high=75, unit="mg", times_a_day_low=1, times_a_day_high=1)

    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", sigs=(sig,)))

    assert trial.adequate is U
    assert trial.highest_mg_a_day == (25, 75)


def test_titration_written_as_bounded_steps_of_one_order_counts_step_by_step() -> None:
    steps = (
        replace(daily(25)[0], start=day("2025-02-01"), end=day("2025-02-14")),
        replace(daily(50)[0], start=day("2025-02-15"), end=day("2025-04-30")),
    )

    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", sigs=steps))

    assert trial.days == (89, 89)
    assert trial.days_at_dose == (75, 75)


def test_imprecise_dates_make_days_a_range() -> None:
    order = replace(taken("alfadep", "2025-05-01", "2025-06-30", 50), start=month(2025, 5), end=month(2025, 6))

    (trial,) = trials(order)

    assert trial.adequate is U
    assert trial.days_at_dose == (2, 61)
    assert "alfadep start and end dates" in trial.missing


def test_trials_before_the_episode_do_not_count_and_are_named() -> None:
    old = taken("alfadep", "2012-02-01", "2012-08-01", 50)
    fact, _ = look(record(old), episode=None)
    assert len(fact.trials) == 1

    since = day("2026-02-01")
    assert trials(old, since=since) == ()


def test_days_before_the_episode_do_not_count() -> None:
    (trial,) = trials(taken("alfadep", "2025-01-01", "2025-04-30", 50), since=day("2025-04-01"))

    assert trial.days_at_dose == (30, 30)
    assert trial.adequate is F


def test_an_imprecise_start_of_the_episode_makes_days_a_range() -> None:
    (trial,) = trials(taken("alfadep", "2025-01-01", "2025-04-30", 50), since=Span(date(2025, 1, 1), date(2025, 4, 1)))

    assert trial.days_at_dose == (30, 120)
    assert trial.adequate is U


def test_an_order_that_begins_after_today_is_no_trial() -> None:
    assert trials(taken("alfadep", "2026-06-02", "2026-12-01", 50)) == ()


def test_an_order_that_is_still_taken_lasts_until_today() -> None:
    (trial,) = trials(taken("alfadep", "2026-04-21", None, 50))

    assert trial.ongoing
    assert trial.end is None
    assert trial.days_at_dose == (42, 42)


def test_an_active_order_with_a_supply_that_ran_out_is_only_possibly_still_taken() -> None:
    (trial,) = trials(taken("alfadep", "2026-01-01", None, 50, supply_days=30.0))

    assert trial.days_at_dose == (30, 152)
    assert trial.adequate is U


def test_a_stopped_order_without_an_end_ends_where_the_next_drug_begins() -> None:
    stopped = taken("alfadep", "2025-02-01", None, 50, open_ended=False, stopped_for="no-effect")
    after = taken("betadep", "2025-05-01", "2025-08-31", 150)

    first, _ = trials(stopped, after)

    assert first.days_at_dose == (89, 89)
    assert first.no_response is T


def undated(start: str, mg: float = 50, **changes: Any) -> Exposure:
    return taken("alfadep", start, None, mg, open_ended=False, **changes)


@pytest.mark.parametrize(("start", "days"), [("2025-08-02", (183, 183)), ("2025-08-03", (1, 184))])
def test_a_successor_that_came_too_late_does_not_tell_how_long_an_order_lasted(
    start: str, days: tuple[int, int]
) -> None:
    first, _ = trials(undated("2025-01-31"), taken("betadep", start, "2025-12-31", 150))

    assert first.days_at_dose == days


@pytest.mark.parametrize(
    "after",
    [
        taken("betadep", "2025-05-01", "2025-08-31", 150, doubtful=True),
        taken("betadep", "2025-05-01", "2025-08-31", 75),
        taken("betadep", "2025-05-01", "2025-08-31"),
    ],
    ids=["perhaps never taken", "below its minimum", "of unknown dose"],
)
def test_what_may_not_be_a_trial_itself_does_not_end_another(after: Exposure) -> None:
    first, _ = trials(undated("2025-02-01"), after)

    assert first.days_at_dose == (1, (TODAY - date(2025, 2, 1)).days + 1)


def test_a_successor_known_to_the_month_ends_an_order_on_a_day_of_it() -> None:
    after = replace(taken("betadep", "2025-05-01", "2025-08-31", 150), start=month(2025, 5))

    first, _ = trials(undated("2025-02-01"), after)

    assert first.days_at_dose == (89, 119)


def test_refills_that_were_authorised_are_only_possibly_taken() -> None:
    (alone,) = trials(undated("2025-02-01", supply_days=30.0, fills=6))
    followed, _ = trials(
        undated("2025-02-01", supply_days=30.0, fills=6), taken("betadep", "2025-05-01", "2025-08-31", 150)
    )

    assert alone.days_at_dose == (30, 180)
    assert followed.days_at_dose == (30, 89)
    assert followed.adequate is U


def test_refills_that_were_fetched_are_surely_taken() -> None:
    fills = [
        taken(
            "alfadep",
            start,
            None,
            50,
            source=f"MedicationDispense/{start}",
            kind=ExposureKind.DISPENSE,
            open_ended=False,
            supply_days=30.0,
        )
        for start in ("2025-02-01", "2025-03-03")
    ]

    (trial,) = trials(undated("2025-02-01", supply_days=30.0, fills=6), *fills)

    assert trial.days_at_dose[0] == 60


def test_a_stopped_order_without_an_end_and_without_a_successor_is_unknown() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", None, 50, open_ended=False))

    assert trial.adequate is U


def test_a_doubtful_order_is_never_surely_taken() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, doubtful=True))

    assert trial.adequate is U


def test_a_product_that_is_never_a_trial_is_left_out_and_named() -> None:
    fact, _ = look(record(taken("p-beta-smoke", "2025-02-01", "2025-04-30", sigs=daily(2, "{tablet}"))))

    assert fact.trials == ()
    assert "smoking cessation" in fact.because


def test_a_prescription_for_another_reason_is_left_out() -> None:
    pain = (Concept((Coding("x", "pain"),)),)

    assert trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, reasons=pain)) == ()


def test_depression_among_the_reasons_keeps_it_a_trial() -> None:
    pain, depression = Concept((Coding("x", "pain"),)), Concept((Coding("x", "mdd"),))

    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, reasons=(pain, depression)))
    both = Concept((*pain.codings, *depression.codings))

    assert trial.adequate is T
    assert len(trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, reasons=(both,)))) == 1


@pytest.mark.parametrize(("words", "trials_found"), [("nerve pain", 0), ("low mood, no pain", 1), ("mood", 1)])
def test_another_reason_can_stand_in_words(words: str, trials_found: int) -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 50, reasons=(Concept((), words),))

    assert len(trials(order)) == trials_found


def test_a_drug_known_by_name_only_counts_and_says_so() -> None:
    for text in ("Alfabrand 50 mg tablet", "ALFADEP"):
        (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, drug=Concept((), text)))
        assert trial.adequate is T
        assert trial.by_name_only


def test_a_strength_in_the_name_serves_tablets_of_a_drug_known_by_name() -> None:
    order = taken(
        "alfadep", "2025-02-01", "2025-04-30", drug=Concept((), "Alfabrand 25 mg tablet"), sigs=daily(2, "tablet")
    )

    (trial,) = trials(order)

    assert trial.highest_mg_a_day == (50, 50)
    assert any("name" in note for note in trial.notes)


@pytest.mark.parametrize(
    ("drug", "open_questions"),
    [
        (Concept((Coding("local", "4711"),)), 1),
        (Concept(), 1),
        (Concept((), "unknown"), 1),
        (Concept((Coding(ATC, "N06AX77", "newdep"),)), 1),
        (Concept((Coding(ATC, "C09AA03", "lisinopril"),)), 0),
        (Concept((), "lisinopril 10 mg"), 0),
    ],
    ids=["code only", "nothing", "a word that names nothing", "class code", "another class", "another name"],
)
def test_a_medication_nobody_can_recognise_may_be_a_trial(drug: Concept, open_questions: int) -> None:
    _, found = look(record(taken("x", "2025-02-01", "2025-04-30", drug=drug)))

    assert len(found) == open_questions


def test_an_unrecognised_medication_too_short_to_be_adequate_opens_nothing() -> None:
    _, found = look(record(taken("x", "2025-02-01", "2025-03-01", drug=Concept())))

    assert found == ()


# ---------------------------------------------------------------- response


def test_a_coded_stop_reason_is_evidence_of_no_response() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for="no-effect"))

    assert (trial.no_response, trial.evidence) == (T, ResponseEvidence.CODED)


def test_a_stop_reason_in_words_is_weaker_evidence() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for=Concept((), "No response after 8 wk"))
    )

    assert (trial.no_response, trial.evidence) == (T, ResponseEvidence.WORDS)


@pytest.mark.parametrize(
    "words",
    [
        "not ineffective",
        "Patient moved away; not because of no response",
        "Moved away, not because it was found to be ineffective",
        "It wasn't stopped because it was ineffective",
        "not for nausea, tiredness or as ineffective",
        "Ineffective was not the reason",
        "Not sedating and ineffective",
    ],
)
def test_a_negated_word_is_no_stop_reason(words: str) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for=Concept((), words)))

    assert trial.no_response is U


@pytest.mark.parametrize(
    "words",
    [
        "No response",
        "Ineffective, no side effects",
        "ineffective; patient did not want more",
        "no nausea. Ineffective",
        "Not for nausea but ineffective",
        "Well tolerated (no nausea) - ineffective",
        "no response, ineffective",
    ],
)
def test_a_negation_of_another_thing_leaves_a_stop_reason_standing(words: str) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for=Concept((), words)))

    assert trial.no_response is T
    assert not trial.intolerance


def test_the_no_of_a_stop_reason_negates_nothing_else() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-02-20", 50, stopped_for=Concept((), "No response and nausea"))
    )

    assert trial.no_response is T
    assert trial.intolerance


@pytest.mark.parametrize("words", ["No nausea", "insurance; no complaint of nausea or headache"])
def test_a_side_effect_that_is_denied_is_no_intolerance(words: str) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-02-20", 50, stopped_for=Concept((), words)))

    assert not trial.intolerance


def test_stopping_an_inadequate_trial_for_a_side_effect_is_intolerance_not_failure() -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-02-21", 50, stopped_for="side-effect"))

    assert trial.intolerance
    assert trial.no_response is F


def test_stopping_an_adequate_trial_for_a_side_effect_does_not_tell_the_response() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for="side-effect"),
    )

    assert trial.no_response is U
    assert "response to alfadep" in trial.missing
    assert not trial.intolerance


@pytest.mark.parametrize(("last", "no_response"), [(11, T), (10, F), (9, F)])
def test_a_fall_of_half_is_response_and_less_is_not(last: int, no_response: Truth) -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50), scored(20, "2025-01-30"), scored(last, "2025-04-28")
    )

    assert (trial.no_response, trial.evidence) == (no_response, ResponseEvidence.MEASURED)


@pytest.mark.parametrize(("percent", "no_response"), [(25, F), (26, T)])
def test_the_required_fall_is_the_rules_to_set(percent: float, no_response: Truth) -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50),
        scored(20, "2025-01-30"),
        scored(15, "2025-04-28"),
        want=wanted(fall=percent),
    )

    assert trial.no_response is no_response


def test_a_response_that_was_lost_later_is_not_a_failure() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50),
        scored(20, "2025-01-30"),
        scored(6, "2025-03-15"),
        scored(18, "2025-04-28"),
    )

    assert trial.no_response is F
    assert "lost later" in trial.outcome


@pytest.mark.parametrize(("last", "no_response"), [(10, T), (9, U), (5, U), (4, F)])
def test_without_a_baseline_only_a_high_or_a_remission_score_tells(last: int, no_response: Truth) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50), scored(last, "2025-04-28"))

    assert trial.no_response is no_response


def test_two_scores_of_one_day_on_both_sides_of_a_limit_leave_it_open_whatever_their_ids() -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 50)
    low, high = scored(3, "2025-04-28"), scored(16, "2025-04-28")
    for first, second in (("a", "b"), ("b", "a")):
        (trial,) = trials(
            order, replace(low, source=f"Observation/{first}"), replace(high, source=f"Observation/{second}")
        )
        assert trial.no_response is U
        assert "response to alfadep" in trial.missing
        assert "Observation/a" in trial.sources


def test_two_scores_of_one_day_in_the_course_of_a_trial_leave_open_whether_it_responded() -> None:
    seen = [scored(value, "2025-03-20", source=f"Observation/{value}") for value in (3, 16)]

    (trial,) = trials(taken(*SAME_ORDER), *seen, scored(15, "2025-04-28"))

    assert trial.no_response is U


def test_two_scores_of_one_day_on_one_side_decide() -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 50)
    (trial,) = trials(
        order,
        scored(20, "2025-01-31"),
        scored(14, "2025-04-28", source="Observation/a"),
        scored(16, "2025-04-28", source="Observation/b"),
    )

    assert trial.no_response is T
    assert "fell 20 to 30%" in trial.outcome


def test_two_baselines_of_one_day_are_a_range_too() -> None:
    order = taken("alfadep", "2025-02-01", "2025-04-30", 50)
    baselines = [scored(value, "2025-01-31", source=f"Observation/{value}") for value in (16, 24)]

    assert trials(order, *baselines, scored(10, "2025-04-28"))[0].no_response is U
    assert trials(order, *baselines, scored(8, "2025-04-28"))[0].no_response is F


def test_a_remission_in_the_course_of_a_trial_is_a_response_without_a_baseline_too() -> None:
    order = taken("alfadep", "2025-02-01", "2025-06-30", 50)

    (trial,) = trials(order, scored(4, "2025-04-20"), scored(12, "2025-06-28"))

    assert trial.no_response is F
    assert trial.evidence is ResponseEvidence.MEASURED
    assert "was lost later" in trial.outcome
    assert trials(order, scored(5, "2025-04-20"), scored(12, "2025-06-28"))[0].no_response is T


SAME_ORDER = ("alfadep", "2025-02-01", "2025-04-30", 50)


def test_a_scale_is_compared_with_itself_only() -> None:
    want = wanted(measured_by=TWO_SCALES)

    (trial,) = trials(taken(*SAME_ORDER), scored(27, "2025-01-31"), on_scale(12, "2025-04-28"), want=want)

    assert trial.no_response is U


@pytest.mark.parametrize(("last", "no_response"), [(30, T), (20, F)])
def test_another_scale_can_show_the_response(last: int, no_response: Truth) -> None:
    want = wanted(measured_by=TWO_SCALES)

    (trial,) = trials(taken(*SAME_ORDER), on_scale(40, "2025-01-31"), on_scale(last, "2025-04-28"), want=want)

    assert trial.no_response is no_response
    assert trial.outcome.startswith("scale fell")


def test_scales_that_contradict_each_other_leave_the_response_open() -> None:
    seen = [scored(20, "2025-01-31"), scored(18, "2025-04-28"), on_scale(40, "2025-01-31"), on_scale(12, "2025-04-28")]

    (trial,) = trials(taken(*SAME_ORDER), *seen, want=wanted(measured_by=TWO_SCALES))

    assert trial.no_response is U
    assert "; but scale fell 70%" in trial.outcome


def test_a_fall_from_a_baseline_says_more_than_a_score_at_the_end_of_another_scale() -> None:
    seen = [scored(18, "2025-04-28"), on_scale(40, "2025-01-31"), on_scale(12, "2025-04-28")]

    (trial,) = trials(taken(*SAME_ORDER), *seen, want=wanted(measured_by=TWO_SCALES))

    assert trial.no_response is F


# ---------------------------------------------------------------- adherence


@pytest.mark.parametrize(
    ("fills", "covered"),
    [
        ((("2025-02-01", 89.0),), 89),
        ((("2025-02-01", 30.0), ("2025-04-01", 30.0)), 60),
        ((("2025-02-01", 30.0), ("2025-02-16", 30.0)), 60),
        ((("2025-02-01", 30.0), ("2025-02-01", 30.0)), 30),
    ],
    ids=["all", "with a gap", "an early refill", "two at once"],
)
@pytest.mark.parametrize("above", [0, 1])
def test_fills_must_cover_their_share_of_the_days(
    fills: tuple[tuple[str, float], ...], covered: int, above: int
) -> None:
    want = wanted(adherence=CompiledAdherence((covered + above / 2) * 100 / 89, "vetoes"))

    (trial,) = trials(taken(*SAME_ORDER), *(filled(start, days) for start, days in fills), want=want)

    assert (trial.adequate, trial.held) == ((F, T) if above else (T, T))


@pytest.mark.parametrize(("when_poor", "adequate", "poorly"), [("vetoes", F, T), ("flags", T, T), ("ignored", T, U)])
def test_poor_adherence_is_told_or_vetoes(when_poor: str, adequate: Truth, poorly: Truth) -> None:
    want = wanted(adherence=CompiledAdherence(80, when_poor))

    (trial,) = trials(taken(*SAME_ORDER), filled("2025-02-01", 71.0), want=want)

    assert (trial.adequate, trial.poorly_taken) == (adequate, poorly)
    assert any("fills cover 71 of 89 days (79%)" in note for note in trial.notes) is (poorly is T)


def test_unknown_adherence_never_vetoes() -> None:
    want = wanted(adherence=CompiledAdherence(80, "vetoes"))
    one_fill = filled("2025-02-01", 30.0)
    in_part = ALL_SENT | {"MedicationDispense": (Delivery(DeliveryState.PART, "more pages"),)}

    (without,) = trials(taken(*SAME_ORDER), want=want)
    (unmeasured,) = trials(taken(*SAME_ORDER), one_fill, filled("2025-04-01", None), want=want)
    (not_all,) = look(record(taken(*SAME_ORDER), one_fill, sent=in_part), want)[0].trials

    for trial in (without, unmeasured, not_all):
        assert (trial.adequate, trial.poorly_taken) == (T, U)


def test_fills_of_a_trial_whose_end_nobody_knows_do_not_veto_it() -> None:
    """Four months of fills may be all of it: the order was stopped, and no day says when."""
    want = wanted(adherence=CompiledAdherence(80, "vetoes"))

    (trial,) = trials(undated("2025-02-01"), filled("2025-02-01", 120.0), want=want)

    assert (trial.adequate, trial.poorly_taken) == (T, U)


@pytest.mark.parametrize(("column", "adequate"), [("minimum", T), ("strict_minimum", F)])
def test_the_minimum_is_that_of_the_column_the_rule_names(column: str, adequate: Truth) -> None:
    (trial,) = trials(taken(*SAME_ORDER), want=wanted(dose_column=column))

    assert trial.adequate is adequate


@pytest.mark.parametrize(
    ("when", "no_response"),
    [("2025-04-15", U), ("2025-04-16", T), ("2025-05-28", T), ("2025-05-29", U)],
)
def test_the_last_score_must_lie_near_the_end(when: str, no_response: Truth) -> None:
    (trial,) = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50), scored(18, when))

    assert trial.no_response is no_response


def test_a_stop_reason_that_a_measured_response_contradicts_is_unknown() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for="no-effect"),
        scored(20, "2025-01-30"),
        scored(6, "2025-04-28"),
    )

    assert trial.no_response is U
    assert "but" in trial.outcome


def test_an_ongoing_adequate_trial_with_a_high_score_has_failed() -> None:
    (trial,) = trials(taken("alfadep", "2026-01-01", None, 50), scored(17, "2026-05-20"))

    assert (trial.no_response, trial.evidence) == (T, ResponseEvidence.STILL_SYMPTOMATIC)


def test_a_score_before_the_required_weeks_says_nothing_of_an_ongoing_trial() -> None:
    (trial,) = trials(taken("alfadep", "2026-04-01", None, 50), scored(17, "2026-05-11"))

    assert trial.no_response is U


@pytest.mark.parametrize(("start", "no_response"), [("2025-05-28", T), ("2025-05-29", U)])
def test_starting_another_drug_soon_after_the_end_lets_us_infer_no_response(start: str, no_response: Truth) -> None:
    first, _ = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50), taken("betadep", start, "2025-08-31", 150))

    assert first.no_response is no_response
    if no_response is T:
        assert first.evidence is ResponseEvidence.INFERRED


def test_an_inference_that_the_rule_does_not_accept_stays_unknown() -> None:
    first, _ = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50),
        taken("betadep", "2025-05-10", "2025-08-31", 150),
        want=wanted(accepts_inferred=False),
    )

    assert first.no_response is U


def test_nothing_is_inferred_from_a_switch_before_the_trial_was_adequate() -> None:
    first, _ = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50), taken("betadep", "2025-03-10", "2025-08-31", 150)
    )

    assert first.no_response is U


def test_nothing_is_inferred_from_a_switch_to_a_dose_that_cannot_work() -> None:
    first, _ = trials(
        taken("alfadep", "2025-02-01", "2025-04-30", 50), taken("betadep", "2025-05-10", "2025-08-31", 25)
    )

    assert first.no_response is U


@pytest.mark.parametrize(("days", "no_response"), [(27, U), (28, T)])
def test_an_augmentation_that_lasts_lets_us_infer_no_response_and_is_no_trial(days: int, no_response: Truth) -> None:
    found = trials(
        taken("alfadep", "2025-02-01", "2025-06-30", 50),
        taken("boostin", "2025-05-01", last_day("2025-05-01", days), 5),
    )

    assert [trial.ingredient for trial in found] == ["alfadep"]
    assert found[0].no_response is no_response


@pytest.mark.parametrize("sigs", [(), (replace(daily(150)[0], as_needed=True),)], ids=["unknown", "as needed"])
def test_nothing_is_inferred_from_a_switch_to_a_drug_of_unknown_dose(sigs: tuple[Sig, ...]) -> None:
    first, _ = trials(taken("alfadep", "2025-02-01", "2025-04-30", 50), taken("betadep", "2025-05-10", None, sigs=sigs))

    assert first.no_response is U


@pytest.mark.parametrize(("mg", "no_response"), [(2, T), (None, U)])
def test_nothing_is_inferred_from_an_augmentation_of_unknown_dose(mg: float | None, no_response: Truth) -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-06-30", 50), taken("boostin", "2025-05-01", "2025-06-30", mg)
    )

    assert trial.no_response is no_response


def test_nothing_is_inferred_from_the_same_drug_taken_again() -> None:
    first, _ = trials(taken(*SAME_ORDER), taken("alfadep", "2025-05-16", "2025-06-30", 50))

    assert first.no_response is U


def test_nothing_is_inferred_from_an_augmentation_that_may_not_have_been_taken() -> None:
    (trial,) = trials(
        taken("alfadep", "2025-02-01", "2025-06-30", 50),
        taken("boostin", "2025-05-01", "2025-06-30", 2, doubtful=True),
    )

    assert trial.no_response is U


@pytest.mark.seconds
def test_thousands_of_trials_and_scores_are_no_obstacle() -> None:
    first = date(1950, 1, 1)
    days = [(first + timedelta(days=20 * index)).isoformat() for index in range(1300)]
    orders = [
        taken(key, day, last_day(day, 3), 150 if key == "betadep" else 50)
        for day in days
        for key in ("alfadep", "betadep")
    ]

    found = trials(*orders, *(scored(15, day) for day in days), want=wanted(adequate_days=3))

    assert len(found) == 2600


def test_drugs_started_and_never_stopped_together_are_at_most_one_failed_trial() -> None:
    found = trials(
        *(taken(drug, "2026-01-05", None, mg) for drug, mg in (("alfadep", 50), ("betadep", 150), ("gammadep", 10))),
        scored(17, "2026-05-20"),
    )

    assert sorted(trial.no_response.value for trial in found) == ["true", "unknown", "unknown"]


def test_of_two_drugs_taken_together_only_the_one_with_its_own_stop_reason_counts() -> None:
    found = trials(
        taken("alfadep", "2025-02-01", "2025-06-01", 50),
        taken("betadep", "2025-02-01", "2025-06-01", 150, stopped_for="no-effect"),
        scored(17, "2025-05-30"),
    )

    assert {trial.ingredient: trial.no_response for trial in found} == {"alfadep": U, "betadep": T}


def test_two_drugs_taken_together_each_with_its_own_stop_reason_both_count() -> None:
    found = trials(
        taken("alfadep", "2025-02-01", "2025-06-01", 50, stopped_for="no-effect"),
        taken("betadep", "2025-02-01", "2025-06-01", 150, stopped_for="no-effect"),
    )

    assert [trial.no_response for trial in found] == [T, T]


def test_medications_that_failed_to_arrive_are_said() -> None:
    sent = ALL_SENT | {
        "MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "the EHR could not read it", failed=True),)
    }

    fact, _ = look(record(sent=sent))

    assert fact.missing == ("medications",)
    assert "could not read" in fact.because


# ---------------------------------------------------------------- laws


@st.composite
def histories(draw: st.DrawFn) -> list[Exposure]:
    found = []
    for index in range(draw(st.integers(1, 6))):
        drug, minimum = draw(st.sampled_from([("alfadep", 50), ("betadep", 150), ("gammadep", 10)]))
        start = date(2025, 1, 1) + timedelta(days=draw(st.integers(0, 300)))
        length = draw(st.one_of(st.none(), st.integers(1, 150)))
        mg = draw(st.sampled_from([None, minimum / 2, minimum, minimum * 2]))
        end = (start + timedelta(days=length)).isoformat() if length is not None else None
        reason = draw(st.sampled_from([None, None, "no-effect", "side-effect"]))
        found.append(
            taken(
                drug,
                start.isoformat(),
                end,
                mg,
                stopped_for=reason if end else None,
                source=f"MedicationRequest/{index}",
            )
        )
    return found


@pytest.mark.seconds
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_resources_never_matters(history: list[Exposure], rng: random.Random) -> None:
    shuffled = list(history)
    rng.shuffle(shuffled)

    assert trials(*history) == trials(*shuffled)


@pytest.mark.seconds
@given(st.integers(2, 120), st.data())
def test_splitting_one_prescription_into_consecutive_ones_changes_nothing(days: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, days - 1))
    start = date(2025, 1, 1)
    whole = taken("alfadep", start.isoformat(), last_day(start.isoformat(), days), 50)
    second = start + timedelta(days=cut)
    parts = (
        taken("alfadep", start.isoformat(), last_day(start.isoformat(), cut), 50),
        taken("alfadep", second.isoformat(), last_day(second.isoformat(), days - cut), 50),
    )

    (one,), (two,) = trials(whole), trials(*parts)

    assert (one.days_at_dose, one.adequate, one.start, one.end) == (two.days_at_dose, two.adequate, two.start, two.end)


@pytest.mark.seconds
@given(histories(), st.integers(0, 5))
def test_learning_a_dose_never_turns_an_answer_round(history: list[Exposure], which: int) -> None:
    index = which % len(history)
    opened = list(history)
    opened[index] = replace(history[index], sigs=())

    before = {(t.ingredient, t.start): t.adequate for t in trials(*opened)}
    after = {(t.ingredient, t.start): t.adequate for t in trials(*history)}

    assert all(after.get(key, truth) is truth for key, truth in before.items() if truth is not U)


def test_definitions_that_differ_in_the_days_a_trial_needs_share_what_is_worked_out_of_the_record() -> None:
    finder = TrialFinder(sort(record(taken("alfadep", "2026-01-01", last_day("2026-01-01", 30), 50))), {})
    rated = [finder.find(wanted(adequate_days=days), None)[0].trials[0].adequate for days in (30, 31, 60)]
    assert rated == [T, F, F]
    assert finder.laid_out == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"dose_column": "strict_minimum"},
        {"joins_gaps_days": 0},
        {"undated_end_days": 7},
        {"not_for": ("ineffective",)},
        {"unless_for": ("ineffective",)},
        {"implausible_times": 3.0},
    ],
)
def test_definitions_that_read_the_record_differently_share_nothing(changes: dict[str, Any]) -> None:
    finder = TrialFinder(sort(record(taken("alfadep", "2026-01-01", last_day("2026-01-01", 30), 50))), {})
    finder.find(wanted(), None)
    finder.find(wanted(**changes), None)
    assert finder.laid_out == 2


def test_trials_found_beside_those_of_another_definition_are_the_same_as_those_found_alone() -> None:
    sorted_record = sort(
        record(taken("alfadep", "2025-10-01", "2026-02-01", 50), taken("betadep", "2025-12-01", "2026-01-30", 150))
    )
    definitions = [wanted(), wanted(adequate_days=100), wanted(joins_gaps_days=0), wanted(undated_end_days=7)]
    together = TrialFinder(sorted_record, {})
    for definition in definitions:
        assert together.find(definition, None) == TrialFinder(sorted_record, {}).find(definition, None)
