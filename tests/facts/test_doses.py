"""Doses of odd instructions: what cannot be told is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds.facts.trials.doses import dosings, strength_of
from cds.record.model import ExposureKind, Sig
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import day, month, taken


def mg_in(text: str) -> float | None:
    strength = strength_of(None, Concept((), text))
    return strength.mg if strength else None


@pytest.mark.parametrize(
    ("text", "mg"),
    [
        ("alfadep 50 mg", 50),
        ("Alfadep 50MG Oral Tablet", 50),
        ("alfadep 37.5 mg capsule", 37.5),
        ("alfadep 37,5 mg", 37.5),
        ("alfadep 0,125 mg", 0.125),
        ("alfadep 0.125 mg", 0.125),
        ("24 HR alfadep 150 MG Extended Release", 150),
        ("alfadep 1 g", 1000),
        ("alfadep 1000 mg", 1000),
    ],
)
def test_the_one_strength_in_a_name_is_read(text: str, mg: float) -> None:
    assert mg_in(text) == pytest.approx(mg)


@pytest.mark.parametrize(
    "text",
    [
        "alfadep",
        "alfadep 20 mg per 5 mL",
        "alfadep 20 mg in 5 mL",
        "alfadep 20 mg/5 mL",
        "alfadep (max 200 mg daily)",
        "alfadep, up to 200 mg",
        "alfadep 200 mg a day",
        "alfadep 1,000 mg",
        "alfadep 1.000 mg",
        "alfadep 1,000,000 mg",
        "alfadep 10-20 mg",
        "alfadep 10 \N{EN DASH} 20 mg",
        "alfadep 12.5/50 mg",
        "alfadep 6 mg-25 mg",
        "alfadep 50 mg or 100 mg",
        "alfadep .5 mg",
        "alfadep " + "9" * 400 + " mg",
    ],
)
def test_words_that_may_mean_another_amount_name_no_strength(text: str) -> None:
    assert mg_in(text) is None


def test_a_name_that_tells_no_strength_leaves_it_to_the_next_one() -> None:
    strength = strength_of(None, Concept((Coding("x", "1", "alfadep 50 mg tablet"),), "alfadep (max 200 mg daily)"))

    assert strength is not None
    assert strength.mg == 50


@pytest.mark.parametrize("text", ["alfadep " + "1" * 200_000, "1 " * 100_000 + "mg", "1" + " " * 200_000])
def test_a_name_of_any_length_is_read_at_once(text: str) -> None:
    assert mg_in(text) is None


@pytest.mark.parametrize(
    ("start", "end", "mg"),
    [("2025-02-01", "2025-02-01", 50), ("2025-02-01", "2025-04-30", None), ("2025-02-01", None, None)],
)
def test_one_administration_is_the_dose_of_one_day_and_of_no_longer_period(
    start: str, end: str | None, mg: float | None
) -> None:
    given = taken("alfadep", start, end, 50, kind=ExposureKind.ADMINISTRATION, sigs=(Sig(low=50, high=50, unit="mg"),))

    (dosing,) = dosings(given, None)

    assert (dosing.dose.low, dosing.dose.high) == (mg, mg)


def test_one_administration_in_a_month_is_the_dose_of_its_day() -> None:
    may = month(2025, 5)
    given = taken("alfadep", "2025-05-01", None, kind=ExposureKind.ADMINISTRATION)

    assert dosings(replace(given, start=may, end=may, sigs=(Sig(low=50, high=50, unit="mg"),)), None)[0].dose.low == 50


@pytest.mark.seconds
def test_many_thousand_instructions_with_and_without_bounds_are_no_obstacle() -> None:
    plain = Sig(low=1, high=1, unit="mg", times_a_day_low=1.0, times_a_day_high=1.0)
    sigs = (*[replace(plain, start=day("2025-02-01"), sequence=index) for index in range(40_000)], plain)

    found = dosings(taken("alfadep", "2025-02-01", None, sigs=sigs), None)

    assert len(found) == 40_001
    assert found[-1].start is None
