from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cds.facts.demographics import CompiledAge, CompiledDeceased, CompiledSex
from cds.facts.evaluate import evaluate_facts
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.measurement import CompiledNumber
from cds.facts.trace import CompiledTrace
from cds.logic.truth import Truth
from cds.record.dates import read_date
from cds.record.model import Diagnosis, Exposure, ExposureKind, Intervention, Measurement, Patient, Referral, Span
from cds.terminology.concepts import Concept
from tests.facts.builders import SCORE, TODAY, codes, day, month, record, scored, sort

AGE = CompiledAge("age", "Age", None)


def aged(birth: Span | None, today: date = TODAY) -> Fact:
    patient = replace(record(), patient=Patient("Patient/1", birth=birth))
    return evaluate_facts([AGE], codes(), patient, today)["age"]


@pytest.mark.parametrize(("born", "years"), [("2008-06-01", 18), ("2008-06-02", 17)])
def test_age_is_completed_years_and_a_birthday_completes_one(born: str, years: int) -> None:
    fact = aged(day(born))

    assert (fact.low, fact.high) == (years, years)


def test_someone_born_on_29_february_completes_a_year_on_1_march_of_a_common_year() -> None:
    assert aged(day("2008-02-29"), date(2026, 2, 28)).low == 17
    assert aged(day("2008-02-29"), date(2026, 3, 1)).low == 18


def test_a_partial_birth_date_makes_age_a_range() -> None:
    fact = aged(month(2008, 6))

    assert (fact.low, fact.high) == (17, 18)
    assert fact.missing == ("full birth date",)


@pytest.mark.parametrize(("birth", "why"), [(None, WhyUnknown.NOT_FOUND), (day("2026-06-02"), WhyUnknown.UNREADABLE)])
def test_no_birth_date_or_one_in_the_future_leaves_age_unknown(birth: Span | None, why: WhyUnknown) -> None:
    fact = aged(birth)

    assert (fact.low, fact.why_unknown) == (None, why)


@pytest.mark.parametrize(
    ("sex", "truth"), [("female", Truth.TRUE), ("male", Truth.FALSE), ("unknown", Truth.UNKNOWN), (None, Truth.UNKNOWN)]
)
def test_sex_is_the_administrative_gender_and_unknown_stays_unknown(sex: str | None, truth: Truth) -> None:
    patient = replace(record(), patient=Patient("Patient/1", sex=sex))

    fact = evaluate_facts([CompiledSex("sex", "Sex", None, frozenset({"female"}))], codes(), patient, TODAY)["sex"]

    assert fact.truth is truth


AHEAD = read_date("2026-06-02T00:20:00Z").span


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Diagnosis("Condition/1", Concept(), onset=AHEAD), "onset"),
        (Diagnosis("Condition/1", Concept(), recorded=AHEAD), "recorded"),
        (Measurement("Observation/1", Concept(), when=AHEAD), "when"),
        (Exposure("MedicationRequest/1", "1", ExposureKind.REQUEST, Concept(), start=AHEAD), "start"),
        (Exposure("MedicationRequest/1", "1", ExposureKind.REQUEST, Concept(), authored=AHEAD), "authored"),
        (Intervention("Procedure/1", Concept(), when=AHEAD), "when"),
        (Referral("ServiceRequest/1", Concept(), when=AHEAD), "when"),
    ],
)
def test_whatever_was_recorded_this_evening_under_tomorrows_day_is_of_today(entry: Any, name: str) -> None:
    kinds = {
        Diagnosis: "diagnoses", Measurement: "measurements", Exposure: "exposures", Intervention: "interventions",
        Referral: "referrals",
    }  # fmt: skip
    kind = kinds[type(entry)]
    changed: dict[str, Any] = {kind: (entry,)}

    (seen,) = getattr(sort(replace(record(), **changed)).record, kind)

    assert getattr(seen, name) == day("2026-06-01")


@pytest.mark.parametrize("died", [True, False])
def test_a_death_is_what_the_patient_entry_says(died: bool) -> None:
    patient = replace(record(), patient=Patient("Patient/1", died=died))

    fact = evaluate_facts([CompiledDeceased("died", "Died", None)], codes(), patient, TODAY)["died"]

    assert fact.truth is Truth.of(died)
    assert [found.reference for found in fact.found] == (["Patient/1"] if died else [])


def traced(*scores: Measurement, of: tuple[str, ...] = ("score",)) -> Fact:
    high: CompiledNumber = replace(SCORE, name="high", take="highest")
    return evaluate_facts([SCORE, high, CompiledTrace("trace", "Trace", None, of)], codes(), record(*scores), TODAY)[
        "trace"
    ]


def test_a_trace_is_an_entry_that_may_be_it_and_nothing_else() -> None:
    unfinished = scored(5, "2026-05-20", final=False)

    assert traced().truth is Truth.FALSE
    assert traced(scored(5, "2026-05-20")).truth is Truth.FALSE
    assert traced(scored(5, "2025-05-20")).truth is Truth.FALSE
    assert traced(unfinished).truth is Truth.TRUE
    assert traced(unfinished).because == "score: not final"
    assert [found.reference for found in traced(unfinished).found] == ["Observation/2026-05-20"]


def test_a_trace_of_several_is_a_trace_of_any() -> None:
    both = (scored(5, "2026-05-20"), scored(7, "2026-05-25", final=False))

    assert traced(*both).truth is Truth.FALSE
    assert traced(*both, of=("score", "high")).truth is Truth.TRUE
