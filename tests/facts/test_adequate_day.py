"""A trial under way: at dose, not yet long enough, and the day on which it will be."""

from __future__ import annotations

import pytest

from cds.facts.fact import Fact
from cds.facts.trials.adequate_day import CompiledAdequateDay, adequate_day
from cds.record.model import Delivery, DeliveryState, Exposure
from tests.facts.builders import ALL_SENT, TODAY, look, record, taken

WANTED = CompiledAdequateDay("under_way", "Under way", None, "trials")


def under_way(*exposures: Exposure, sent: object = ALL_SENT) -> Fact:
    return adequate_day(WANTED, look(record(*exposures, sent=sent))[0], 42, TODAY)


def truth(fact: Fact) -> str:
    assert fact.truth is not None
    return fact.truth.value


def test_the_day_is_the_last_of_the_days_at_dose_that_are_needed() -> None:
    fact = under_way(taken("alfadep", "2026-05-22", None, 50))

    assert truth(fact) == "true"
    assert fact.day is not None
    assert fact.day.text == "2026-07-02"  # 11 days on 1 June; the forty-second is 2 July
    assert [(found.words, found.when) for found in fact.found] == [("alfadep", "since 2026-05-22")]


@pytest.mark.parametrize(
    "exposure",
    [
        taken("alfadep", "2026-04-01", None, 50),  # long enough
        taken("alfadep", "2026-05-22", None, 25),  # below the minimum
        taken("alfadep", "2026-05-01", "2026-05-20", 50),  # ended
    ],
)
def test_what_is_long_enough_below_the_dose_or_over_is_not_under_way(exposure: Exposure) -> None:
    assert truth(under_way(exposure)) == "false"


def test_a_dose_that_is_not_recorded_leaves_it_open() -> None:
    fact = under_way(taken("alfadep", "2026-05-22", None, None))

    assert truth(fact) == "unknown"
    assert fact.day is None


def test_medications_that_did_not_come_leave_it_open() -> None:
    sent = ALL_SENT | {"MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "medications were not sent"),)}

    assert truth(under_way(sent=sent)) == "unknown"


def test_of_two_the_first_to_be_long_enough_gives_the_day() -> None:
    fact = under_way(taken("alfadep", "2026-05-22", None, 50), taken("betadep", "2026-05-12", None, 150))

    assert fact.day is not None
    assert fact.day.text == "2026-06-22"
