"""Augmentation: a drug that augments, taken together with a trial for long enough."""

from __future__ import annotations

from typing import Any

import pytest

from cds.facts.fact import Fact
from cds.facts.trials.augmentation import (
    CompiledAugmentation,
    CompiledAugmentationCount,
    augmentation,
    augmentation_count,
)
from cds.record.model import Delivery, DeliveryState, Exposure
from tests.facts.builders import ALL_SENT, daily, look, record, sort, taken

WANTED = CompiledAugmentation("augmented", "Augmented", None, "antidepressants", "trials", 28)
TRIAL = taken("alfadep", "2026-01-01", "2026-03-31", 100)


def augmented(*exposures: Exposure, sent: Any = ALL_SENT) -> Fact:
    patient = record(*exposures, sent=sent)
    return augmentation(WANTED, sort(patient), look(patient)[0])


def truth(fact: Fact) -> str:
    assert fact.truth is not None
    return fact.truth.value


@pytest.mark.parametrize(("end", "is_"), [("2026-02-28", "true"), ("2026-02-27", "false")])
def test_the_days_together_decide(end: str, is_: str) -> None:
    assert truth(augmented(TRIAL, taken("boostin", "2026-02-01", end, 5))) == is_


def test_days_before_and_after_the_trial_do_not_count() -> None:
    assert truth(augmented(TRIAL, taken("boostin", "2026-03-15", "2026-05-31", 5))) == "false"


def test_below_the_minimum_dose_it_augments_nothing_and_an_unknown_dose_may() -> None:
    low = taken("boostin", "2026-01-01", "2026-03-31", 1)
    unknown = taken("boostin", "2026-01-01", "2026-03-31", None)

    assert truth(augmented(TRIAL, low)) == "false"
    assert truth(augmented(TRIAL, unknown)) == "unknown"


def test_without_a_trial_it_augments_nothing() -> None:
    assert truth(augmented(taken("boostin", "2026-01-01", "2026-03-31", 5))) == "false"


def test_a_combination_product_is_trial_and_augmentation_in_one() -> None:
    assert truth(augmented(taken("p-alfa-boost", "2026-01-01", "2026-03-31", sigs=daily(1, "{capsule}")))) == "true"


def test_medications_that_did_not_come_leave_it_open() -> None:
    sent = ALL_SENT | {"MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "medications were not sent"),)}

    assert truth(augmented(TRIAL, sent=sent)) == "unknown"


def test_it_rests_on_the_entries_of_the_drug_that_augments() -> None:
    fact = augmented(TRIAL, taken("boostin", "2026-01-01", "2026-03-31", 5))

    assert [found.words for found in fact.found] == ["boostin with alfadep"]


def number_of(*exposures: Exposure, sent: Any = ALL_SENT) -> Fact:
    patient = record(*exposures, sent=sent)
    wanted = CompiledAugmentationCount("augmentations", "Augmentations", None, "antidepressants", "trials", 28)
    return augmentation_count(wanted, sort(patient), look(patient)[0])


def test_augmentations_are_counted_by_drug_and_one_through_two_trials_is_one_or_two() -> None:
    other = taken("betadep", "2026-04-01", "2026-05-31", 150)
    through_both = taken("boostin", "2026-02-01", "2026-05-20", 5)

    one, both = number_of(TRIAL, taken("boostin", "2026-02-01", "2026-03-15", 5)), number_of(TRIAL, other, through_both)
    assert (one.low, one.high) == (1, 1)
    assert (both.low, both.high) == (1, 2)
    assert (number_of(TRIAL).low, number_of(TRIAL).high) == (0, 0)


def test_augmentations_have_no_upper_end_where_medications_did_not_come() -> None:
    sent = ALL_SENT | {"MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "medications were not sent"),)}

    assert number_of(TRIAL, sent=sent).high == float("inf")
