from __future__ import annotations

from typing import Any

from cds.facts.drug_history import CompiledDrugHistory
from cds.facts.fact import Fact, WhyUnknown
from cds.record.model import Diagnosis, Span, Verification
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import day, episode_of, month, record, scored, taken

TAKING = CompiledDrugHistory("taken", "taken", None, ("antidepressants",), frozenset({"antidepressant"}), None, ())


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


def test_where_a_pause_ends_it_the_episode_begins_after_the_pause_as_surely_as_drugs_are_known() -> None:
    def began(*entries: Any) -> Fact:
        patient = record(*entries, diagnoses=(depressed(onset=day("2024-01-10")),))
        return episode_of(patient, TAKING, pause_days=180)

    first, then = taken("alfadep", "2024-02-01", "2024-04-30", 75), taken("betadep", "2026-01-10", "2026-05-30", 150)
    after = began(first, then)
    doubtful = began(first, then, taken("betadep", "2024-09-01", "2025-09-30", 150, doubtful=True))

    assert (after.day, after.why_unknown) == (day("2026-01-10"), None)
    assert "after 619 days" in after.because
    assert [source.reference for source in after.found] == [then.source]
    assert doubtful.day == Span(day("2024-01-10").earliest, day("2026-01-10").latest)
    assert doubtful.why_unknown is WhyUnknown.IMPRECISE
    assert "cannot be told" in doubtful.because
    assert doubtful.missing


def test_an_episode_that_a_pause_ended_up_to_today_has_not_begun_again() -> None:
    patient = record(taken("alfadep", "2024-02-01", "2024-04-30", 75), diagnoses=(depressed(onset=day("2024-01-10")),))

    fact = episode_of(patient, TAKING, pause_days=180)

    assert fact.day is not None
    assert fact.day.earliest == day("2024-05-01").earliest
    assert "the last episode ended" in fact.because
