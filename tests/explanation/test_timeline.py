"""What was taken when, at which dose, with the scores beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from cds.decide import Decision
from cds.explanation.timeline import MOST_BARS, MOST_POINTS, MedicationHistory, Run, timelines
from cds.facts.episode import CompiledEpisode
from cds.facts.evaluate import evaluate_facts
from cds.record.model import Delivery, DeliveryState, Diagnosis, PatientRecord
from cds.rulebook.program import CompiledRuleset, CopyOf
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import SCORE, TODAY, codes, day, record, scored, taken, wanted

DAY = date.fromisoformat


def program(*names: Any, copies: dict[str, CopyOf] | None = None) -> CompiledRuleset:
    empty: dict[str, Any] = {}
    return CompiledRuleset(
        "1", names or (SCORE, wanted()), codes(), empty, (), empty, empty, empty, empty, copies=copies or {}
    )


def of(patient: PatientRecord, made: CompiledRuleset | None = None) -> tuple[MedicationHistory, ...]:
    rules = made or program()
    facts = evaluate_facts(rules.wanted, rules.codes, patient, TODAY)
    return timelines(rules, Decision(TODAY, facts, {}, (), patient))


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
