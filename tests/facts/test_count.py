from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from cds.facts.fact import Fact
from cds.facts.trials.count import CompiledCount, count
from cds.record.model import Delivery, DeliveryState, Exposure
from cds.terminology.concepts import Concept
from tests.facts.builders import ALL_SENT, TODAY, look, record, taken

FAILED = CompiledCount("failed", "failed", None, "trials", ("adequate", "no_response"), "ingredient")


def counted(*history: Exposure, want: CompiledCount = FAILED, **changes: Any) -> Fact:
    return count(want, *look(record(*history, **changes)), TODAY)


def failed(drug: str, mg: float | None, start: str = "2025-02-01", end: str = "2025-04-30") -> Exposure:
    return taken(drug, start, end, mg, stopped_for="no-effect")


def test_each_ingredient_counts_once_however_many_trials_of_it_there_were() -> None:
    fact = counted(failed("alfadep", 50), failed("alfadep", 50, "2025-06-01", "2025-08-30"), failed("betadep", 150))

    assert (fact.low, fact.high) == (2, 2)


def test_classes_can_be_counted_instead() -> None:
    two_of_one_class = (failed("alfadep", 50), failed("gammadep", 10, "2025-06-01", "2025-08-30"))

    assert counted(*two_of_one_class).low == 2
    assert counted(*two_of_one_class, want=replace(FAILED, different="drug_class")).low == 1


def test_only_trials_of_some_classes_can_be_counted() -> None:
    history = (failed("alfadep", 50), failed("betadep", 150))

    assert counted(*history, want=replace(FAILED, classes=frozenset({"SNRI"}))).low == 1
    assert counted(*history, want=replace(FAILED, classes=frozenset({"TCA"}))).high == 0


def test_whether_a_trial_of_unknown_dose_was_intolerance_or_failure_is_open() -> None:
    want = replace(FAILED, that_are=("intolerance",))

    assert counted(taken("alfadep", "2025-02-01", "2025-02-20", 50, stopped_for="side-effect"), want=want).low == 1
    open_ = counted(taken("alfadep", "2025-02-01", "2025-04-30", stopped_for="side-effect"), want=want)
    assert (open_.low, open_.high) == (0, 1)
    assert counted(taken("alfadep", "2025-02-01", "2025-04-30", 50, stopped_for="side-effect"), want=want).high == 0


def test_drugs_of_one_molecule_count_apart_and_this_is_said_unless_they_are_merged() -> None:
    history = (failed("alfadep", 50), failed("gammadep", 10, "2025-06-01", "2025-08-30"))

    apart = counted(*history)
    merged = counted(*history, want=replace(FAILED, merge_same_molecule=True))

    assert (apart.low, apart.high, merged.low, merged.high) == (2, 2, 1, 1)
    assert "alfadep and gammadep are one molecule and are counted apart" in apart.because
    assert "molecule" not in merged.because


def test_a_trial_that_may_count_widens_the_range_and_says_what_is_missing() -> None:
    fact = counted(failed("alfadep", 50), failed("betadep", None))

    assert (fact.low, fact.high, fact.text) == (1, 2, "1 to 2")
    assert "betadep dose" in fact.missing


def test_what_the_count_does_not_ask_for_is_not_missing() -> None:
    open_response = taken("alfadep", "2025-02-01", "2025-04-30", None)
    adequate = replace(FAILED, that_are=("adequate",))

    assert "response to alfadep" in counted(open_response).missing
    assert "response to alfadep" not in counted(open_response, want=adequate).missing


def test_an_unrecognised_medication_opens_the_count_upwards_once_per_drug() -> None:
    unknown = taken("x", "2025-02-01", "2025-04-30", drug=Concept(), source="MedicationRequest/x")

    fact = counted(failed("alfadep", 50), unknown)

    assert (fact.low, fact.high) == (1, 2)
    assert "could not be recognized" in fact.because


def test_medications_that_did_not_come_leave_no_upper_end() -> None:
    sent = ALL_SENT | {"MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "an error", failed=True),)}

    fact = counted(failed("alfadep", 50), sent=sent)

    assert (fact.low, fact.high, fact.text) == (1, math.inf, "at least 1")
    assert "medications" in fact.missing


def test_an_empty_list_that_was_sent_is_none() -> None:
    fact = counted()

    assert (fact.low, fact.high, fact.why_unknown) == (0, 0, None)


def test_a_trial_that_goes_on_or_ended_lately_can_be_optimized_and_one_not_tolerated_cannot() -> None:
    lately = replace(FAILED, that_are=("inadequate", "tolerated"), ended_within_days=90)

    def number(*history: Exposure) -> float | None:
        return counted(*history, want=lately).low

    assert number(taken("alfadep", "2026-02-20", "2026-03-03", 50)) == 1  # 90 days before the day of the answer
    assert number(taken("alfadep", "2026-02-19", "2026-03-02", 50)) == 0
    assert number(taken("alfadep", "2026-05-20", None, 50)) == 1
    assert number(taken("alfadep", "2026-02-20", "2026-03-03", 50, stopped_for="side-effect")) == 0
