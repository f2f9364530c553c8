from __future__ import annotations

from typing import Any

from cds.facts.fact import WhyUnknown
from cds.record.model import Diagnosis, Verification
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import day, episode_of, month, record, scored


def depressed(code: str = "mdd", **changes: Any) -> Diagnosis:
    concept = Concept((Coding("x", code),))
    given: dict[str, Any] = {"source": f"Condition/{code}", "concept": concept, "status": "active"}
    return Diagnosis(**(given | changes))


def test_the_recorded_onset_begins_the_episode() -> None:
    fact = episode_of(record(diagnoses=(depressed(onset=day("2025-01-10")),)))

    assert fact.day == day("2025-01-10")
    assert fact.why_unknown is None


def test_an_onset_known_to_the_month_begins_it_some_day_of_that_month() -> None:
    fact = episode_of(record(diagnoses=(depressed(onset=month(2025, 1)),)))

    assert fact.day == month(2025, 1)
    assert fact.missing


def test_without_an_onset_a_fixed_time_back_counts_and_is_said() -> None:
    fact = episode_of(record(diagnoses=(depressed(),)))

    assert fact.day == day("2021-05-31")
    assert fact.why_unknown is WhyUnknown.NOT_FOUND
    assert "not recorded" in fact.because


def test_of_several_onsets_the_earliest_counts() -> None:
    two = (depressed(onset=day("2025-03-01")), depressed(source="Condition/2", onset=day("2025-01-10")))

    assert episode_of(record(diagnoses=two)).day == day("2025-01-10")


def test_an_ended_or_refuted_illness_does_not_begin_the_episode() -> None:
    others = (
        depressed(onset=day("2010-01-01"), status="resolved"),
        depressed(source="Condition/2", onset=day("2011-01-01"), verification=Verification.WRONG),
        depressed(source="Condition/3", onset=day("2025-01-10")),
    )

    assert episode_of(record(diagnoses=others)).day == day("2025-01-10")


def test_a_coded_remission_after_the_onset_begins_a_new_episode() -> None:
    remission = depressed("remission", onset=day("2025-06-01"), status="resolved")

    fact = episode_of(record(diagnoses=(depressed(onset=day("2025-01-10")), remission)))

    assert fact.day == day("2025-06-02")
    assert "remission" in fact.because


def test_two_low_scores_far_enough_apart_are_a_remission() -> None:
    def began(*scores: Any) -> object:
        patient = record(*scores, diagnoses=(depressed(onset=day("2025-01-10")),))
        return episode_of(patient).day

    assert began(scored(3, "2025-04-01"), scored(4, "2025-05-27")) == day("2025-05-28")
    assert began(scored(3, "2025-04-01"), scored(4, "2025-05-26")) == day("2025-01-10")
    assert began(scored(3, "2025-04-01"), scored(9, "2025-05-01"), scored(4, "2025-05-27")) == day("2025-01-10")
    assert began(scored(3, "2025-04-01"), scored(5, "2025-05-27")) == day("2025-01-10")
