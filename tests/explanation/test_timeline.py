"""What was taken when, at which dose, with the scores beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from cds.decide import Decision, decide
from cds.explanation.timeline import MOST_BARS, MOST_POINTS, MedicationHistory, Run, timelines
from cds.facts.context import sort_record
from cds.facts.episode import CompiledEpisode
from cds.facts.evaluate import evaluate_facts
from cds.facts.kind import EvaluationContext
from cds.read_request import read_record
from cds.record.model import Delivery, DeliveryState, Diagnosis, PatientRecord
from cds.rulebook.compiled_ruleset import CompiledRuleset, CopyOf
from cds.settings import Settings
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import SCORE, TODAY, codes, day, record, scored, taken, wanted
from tests.server import ROOT
from tests.server import TODAY as EXAMPLE_DAY
from tests.shipped import shipped_rules

DAY = date.fromisoformat


def program(*names: Any, copies: dict[str, CopyOf] | None = None) -> CompiledRuleset:
    empty: dict[str, Any] = {}
    return CompiledRuleset(
        "1", names or (SCORE, wanted()), codes(), empty, (), empty, empty, empty, empty, copies=copies or {}
    )


def of(patient: PatientRecord, made: CompiledRuleset | None = None) -> tuple[MedicationHistory, ...]:
    rules = made or program()
    facts = evaluate_facts(rules.wanted, rules.codes, patient, TODAY)
    return timelines(rules, Decision(TODAY, patient, facts, {}, ()))


def test_each_trial_has_its_bar_with_dose_minimum_and_the_day_it_became_adequate() -> None:
    (timeline,) = of(record(taken("alfadep", "2025-02-01", "2025-04-30", 75)))

    (bar,) = timeline.bars
    assert (bar.name, bar.minimum, bar.beside) == ("alfadep", 50.0, False)
    assert bar.trial is not None
    assert bar.runs == (Run(DAY("2025-02-01"), DAY("2025-04-30"), True, 75.0, 75.0),)
    assert bar.reached == DAY("2025-03-14")  # the 42nd day, the first one counted
    assert (timeline.first, timeline.last) == (DAY("2025-02-01"), TODAY)


def test_a_dose_below_the_minimum_never_becomes_adequate() -> None:
    (timeline,) = of(record(taken("alfadep", "2025-02-01", "2025-04-30", 25)))

    assert timeline.bars[0].reached is None


def test_a_change_of_dose_is_a_run_of_its_own_and_a_gap_is_none() -> None:
    (timeline,) = of(
        record(
            taken("alfadep", "2025-02-01", "2025-02-28", 25),
            taken("alfadep", "2025-03-01", "2025-03-31", 75),
            taken("alfadep", "2025-04-10", "2025-04-30", 75),
        )
    )

    assert [(run.first, run.last, run.low) for run in timeline.bars[0].runs] == [
        (DAY("2025-02-01"), DAY("2025-02-28"), 25.0),
        (DAY("2025-03-01"), DAY("2025-03-31"), 75.0),
        (DAY("2025-04-10"), DAY("2025-04-30"), 75.0),
    ]


def test_a_dose_nobody_recorded_is_open_upwards() -> None:
    (timeline,) = of(record(taken("alfadep", "2025-02-01", "2025-04-30")))

    (run,) = timeline.bars[0].runs
    assert (run.low, run.high) == (0.0, None)


def test_a_start_nobody_recorded_is_no_day_of_the_year_one() -> None:
    (timeline,) = of(record(replace(taken("alfadep", "2025-02-01", "2025-04-30", 75), start=None)))

    assert timeline.bars[0].runs[0].first is None
    assert timeline.first == DAY("2025-04-30")


def test_what_augments_stands_last_and_is_no_trial() -> None:
    (timeline,) = of(
        record(taken("boostin", "2025-01-01", "2025-04-30", 5), taken("alfadep", "2025-02-01", "2025-04-30", 75))
    )

    assert [(bar.name, bar.beside, bar.trial is None) for bar in timeline.bars] == [
        ("alfadep", False, False),
        ("boostin", True, True),
    ]


def test_what_lies_before_the_episode_has_a_bar_and_no_trial() -> None:
    episode = CompiledEpisode(
        "episode", "episode", None, ("depression",), frozenset({"active"}), (), "score", 5.0, 56, 1827
    )
    diagnosis = Diagnosis("Condition/1", Concept((Coding("x", "mdd"),)), "active", onset=day("2025-01-01"))
    patient = record(
        taken("betadep", "2023-01-01", "2023-06-30", 150),
        taken("alfadep", "2025-02-01", "2025-04-30", 75),
        diagnoses=(diagnosis,),
    )

    (timeline,) = of(patient, program(SCORE, episode, wanted(episode="episode")))

    assert [(bar.name, bar.trial is None) for bar in timeline.bars] == [("betadep", True), ("alfadep", False)]
    assert timeline.begins == DAY("2025-01-01")
    assert "betadep" in timeline.because


def test_scores_are_on_the_same_axis_oldest_first() -> None:
    (timeline,) = of(
        record(taken("alfadep", "2025-02-01", None, 75), scored(12, "2025-05-01"), scored(20, "2025-01-15"))
    )

    (course,) = timeline.courses
    assert [(point.day, point.low, point.high) for point in course.points] == [
        (DAY("2025-01-15"), 20.0, 20.0),
        (DAY("2025-05-01"), 12.0, 12.0),
    ]
    assert (course.lowest, course.highest) == (0.0, 27.0)
    assert timeline.first == DAY("2025-01-15")


def test_a_score_without_a_day_or_a_value_is_not_drawn() -> None:
    (timeline,) = of(
        record(
            taken("alfadep", "2025-02-01", None, 75),
            replace(scored(12, "2025-05-01"), when=None),
            replace(scored(12, "2025-05-01"), value=None, why_no_value="unknown"),
        )
    )

    assert timeline.courses == ()


@pytest.mark.parametrize("sent", [DeliveryState.WHOLE, DeliveryState.NOT_SENT])
def test_without_a_drug_there_is_no_timeline(sent: DeliveryState) -> None:
    empty = record(scored(12, "2025-05-01"), sent={"MedicationRequest": (Delivery(sent),)})

    assert of(empty) == ()


def test_facts_made_for_other_definitions_give_no_second_timeline() -> None:
    other = wanted(name="trials~strict", adequate_days=28)
    patient = record(taken("alfadep", "2025-02-01", "2025-04-30", 75))

    assert (
        len(of(patient, program(SCORE, wanted(), other, copies={"trials~strict": CopyOf("trials~strict", "other")})))
        == 1
    )
    assert len(of(patient, program(SCORE, wanted(), other))) == 2


def test_a_chart_of_thousands_is_cut_to_the_newest() -> None:
    first = DAY("2000-01-01")
    orders = [
        taken("alfadep", str(first + timedelta(days=60 * number)), str(first + timedelta(days=60 * number + 20)), 75)
        for number in range(MOST_BARS + 40)
    ]
    scores = [scored(12, str(first + timedelta(days=number))) for number in range(MOST_POINTS + 40)]

    (timeline,) = of(record(*orders, *scores))

    assert (len(timeline.bars), timeline.left_out) == (MOST_BARS, 40)
    assert timeline.bars[-1].runs[0].first == DAY(str(orders[-1].start.earliest)) if orders[-1].start else False
    assert len(timeline.courses[0].points) == MOST_POINTS
    assert timeline.courses[0].points[-1].day == first + timedelta(days=MOST_POINTS + 39)


def shown(name: str) -> MedicationHistory:
    rules = shipped_rules()
    made, service = read_record((ROOT / "fhir_examples" / name / "request.json").read_bytes(), rules, Settings())
    return timelines(rules.program, decide(rules, made, EXAMPLE_DAY, service))[0]


def context_of(rules: Any, decision: Decision) -> EvaluationContext:
    seen = sort_record(decision.record, rules.program.codes, decision.today)
    compiled = {fact.name: fact for fact in rules.program.wanted}
    scores: dict[str, Any] = {"phq9": [one for one in compiled["phq9"].course(seen) if one.final]}
    return EvaluationContext(seen, decision.today, compiled, dict(decision.facts.by_name), scores)


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> MedicationHistory:
    rules = shipped_rules()
    request = json.loads((ROOT / "fhir_examples" / name / "request.json").read_text())
    change(request["prefetch"])
    made, service = read_record(json.dumps(request).encode(), rules, Settings())
    return timelines(rules.program, decide(rules, made, EXAMPLE_DAY, service))[0]


def test_ect_ketamine_and_the_episode_have_lanes_of_their_own() -> None:
    ect = {lane.words: lane.events for lane in shown("38-ect-and-four-drugs").lanes}
    course = {lane.words: lane.events for lane in shown("18-already-on-esketamine").lanes}

    assert ect.keys() == {"ECT", "Depressive episode"}
    assert (len(ect["ECT"]), ect["ECT"][0].first, ect["ECT"][0].sure) == (8, date(2025, 10, 6), True)
    assert ect["ECT"][0].reference.startswith("Procedure/")
    assert [(one.first, one.last) for one in ect["Depressive episode"]] == [(date(2023, 9, 1), EXAMPLE_DAY)]
    assert [one.first for one in course["Ketamine or esketamine"]][::12] == [date(2026, 3, 30), date(2026, 5, 28)]


def test_a_scale_has_its_bands_and_the_score_from_which_on_it_is_a_response() -> None:
    (phq9,) = shown("18-already-on-esketamine").courses

    assert phq9.bands == ((0, "none"), (5, "mild"), (10, "moderate"), (15, "moderately severe"), (20, "severe"))
    assert phq9.target is not None
    assert (phq9.target.value, phq9.target.of.day) == (10, date(2026, 3, 26))


def test_remissions_stand_before_the_episode_and_a_start_nobody_recorded_is_not_drawn() -> None:
    rules = shipped_rules()
    episode = next(fact for fact in rules.program.wanted if fact.name == "current_episode")
    request = json.loads((ROOT / "fhir_examples/01-two-failed-trials/request.json").read_text())

    def drawn(*conditions: dict[str, Any]) -> list[tuple[date, date]]:
        request["prefetch"]["conditions"]["entry"] = [{"resource": one} for one in conditions]
        request["prefetch"]["conditions"]["total"] = len(conditions)
        made, service = read_record(json.dumps(request).encode(), rules, Settings())
        decision = decide(rules, made, EXAMPLE_DAY, service)
        return [(one.first, one.last) for one in episode.happened(context_of(rules, decision))]

    def condition(status: str, **more: Any) -> dict[str, Any]:
        code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}]}
        said = {"resourceType": "Condition", "id": status, "subject": {"reference": "Patient/example"}, "code": code}
        return said | {"clinicalStatus": {"coding": [{"code": status}]}} | more

    now, before = condition("active", onsetDateTime="2025-01-10"), condition("resolved", abatementDateTime="2024-03-01")
    ended, goes_on = (date(2024, 3, 1),) * 2, (date(2025, 1, 10), EXAMPLE_DAY)

    assert drawn(now) == [goes_on]
    assert drawn(before, now) == [ended, goes_on]
    assert drawn(condition("active")) == []


CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def stay(name: str, first: str | None, last: str | None, code: str = "IMP", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": "Encounter", "id": name, "status": "finished"}
    made |= {"class": {"system": CLASS, "code": code}, "subject": {"reference": "Patient/example"}}
    period = {key: day for key, day in (("start", first), ("end", last)) if day}
    return made | ({"period": period} if period else {}) | more


def stays(*sent: dict[str, Any]) -> tuple[list[tuple[str, str, bool]], tuple[str, ...]]:
    """What is drawn of inpatient stays (first and last day, and whether it is sure), and what is said of others."""

    def change(prefetch: dict[str, Any]) -> None:
        entries = [{"resource": one} for one in sent]
        prefetch["encounters"] = {"resourceType": "Bundle", "type": "searchset", "total": len(sent), "entry": entries}

    timeline = changed("01-two-failed-trials", change)
    lane = next((lane.events for lane in timeline.lanes if lane.words == "Inpatient stays"), ())
    said = tuple(str(one) for one in timeline.not_drawn if one.startswith("Inpatient stays"))
    return [(str(one.first), str(one.last), one.sure) for one in lane], said


def test_inpatient_stays_have_a_lane_whatever_status_they_have_that_happened() -> None:
    sent = [
        stay("a", "2025-03-01T10:00:00Z", "2025-03-20"),
        stay("b", "2026-05-25", None, status="in-progress"),
        stay("c", "2025-05-01", "2025-05-04", "NONAC", status="onleave"),
        stay("visit", "2025-03-01", "2025-03-01", "AMB"),
        stay("emergency", "2025-03-01", "2025-03-01", "EMER"),
        stay("planned", "2026-05-01", None, status="planned"),
        stay("cancelled", "2026-05-01", None, status="cancelled"),
        stay("to come", "2026-07-01", "2026-07-04"),
    ]

    assert stays(*sent) == (
        [
            ("2025-03-01", "2025-03-20", True),
            ("2025-05-01", "2025-05-04", True),
            ("2026-05-25", str(EXAMPLE_DAY), True),
        ],
        (),
    )


def test_a_stay_whose_end_status_or_class_is_not_certain_is_drawn_so() -> None:
    local = {"system": "http://ehr.example.org/class", "code": "4", "display": "Inpatient"}

    assert stays(stay("a", "2025-03-01", None))[0] == [("2025-03-01", "2025-03-01", False)]
    assert stays(stay("a", "2025-03-01", "2025-03-20", status="unknown"))[0] == [("2025-03-01", "2025-03-20", False)]
    assert stays(stay("a", "2025-03", "2025-05-20"))[0] == [("2025-03-01", "2025-05-20", False)]
    assert stays(stay("a", "2025-03-01", "2025-03-20") | {"class": local})[0] == [("2025-03-01", "2025-03-20", False)]


def test_a_ward_within_a_stay_is_not_drawn_a_second_time() -> None:
    ward = stay("ward", "2025-03-02", "2025-03-10", partOf={"reference": "Encounter/a"})

    assert stays(stay("a", "2025-03-01", "2025-03-20"), ward)[0] == [("2025-03-01", "2025-03-20", True)]
    assert stays(stay("a", None, None), ward)[0] == [("2025-03-02", "2025-03-10", True)]


def test_stays_that_cannot_be_drawn_are_said() -> None:
    local = {"system": "http://ehr.example.org/class", "code": "4"}

    assert stays(stay("a", None, None)) == ([], ("Inpatient stays: 1 recorded without a day",))
    assert stays(stay("a", "2025-03-01", "2025-03-04") | {"class": local}) == (
        [], ("Inpatient stays: 1 encounter not read, may be it",),
    )  # fmt: skip
    assert stays(stay("a", "2025-03-01", "2025-03-04", "")) == (
        [], ("Inpatient stays: 1 encounter could not be read",),
    )  # fmt: skip
    without = changed("01-two-failed-trials", lambda prefetch: prefetch.pop("encounters", None))
    assert any("Inpatient stays: the EHR did not send encounters" in one for one in without.not_drawn)


def low_scores(*days_and_values: tuple[str, int]) -> list[tuple[str, str]]:
    """The remissions that are drawn where the PHQ-9 had these values: their day and their words."""

    def change(prefetch: dict[str, Any]) -> None:
        prefetch["phq9"] = prefetch["phq9"] | {
            "total": len(days_and_values),
            "entry": [
                {
                    "resource": {
                        "resourceType": "Observation",
                        "id": f"s{number}",
                        "status": "final",
                        "subject": {"reference": "Patient/example"},
                        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
                        "effectiveDateTime": day,
                        "valueInteger": value,
                    }
                }
                for number, (day, value) in enumerate(days_and_values)
            ],
        }

    lanes = {lane.words: lane.events for lane in changed("01-two-failed-trials", change).lanes}
    return [(str(one.first), one.words) for one in lanes.get("Depressive episode", ()) if one.remission]


def test_a_remission_by_score_is_marked_once_where_low_scores_first_span_the_time_required() -> None:
    words = "remission by two low scores"

    assert low_scores(("2024-01-01", 2), ("2024-01-20", 3), ("2024-03-01", 1), ("2024-06-01", 2)) == [
        ("2024-03-01", words)
    ]
    assert low_scores(("2024-01-01", 2), ("2024-01-20", 12), ("2024-03-01", 1)) == []
    assert low_scores(
        ("2023-01-01", 2), ("2023-03-01", 1), ("2023-06-01", 20), ("2024-01-01", 2), ("2024-03-01", 1)
    ) == [("2023-03-01", words), ("2024-03-01", words)]
