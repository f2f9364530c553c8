"""Treatments with other uses, courses that are over, scores since a day, answers to earlier cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from cds.facts.context import sort_record
from cds.facts.fact import Fact
from cds.facts.measurements import ConvertedMeasurement
from cds.facts.override import CompiledOverride, find_override
from cds.facts.score_change import CompiledRise, find_score_change
from cds.facts.treatment import CompiledCourse, CompiledTreatment, find_course, find_treatment
from cds.logic.truth import Truth
from cds.record.model import (
    Delivery,
    DeliveryState,
    Exposure,
    ExposureKind,
    Intervention,
    Override,
    Patient,
    PatientRecord,
    Span,
)
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.value_sets import ValueSet

TODAY = date(2026, 6, 1)


def code_set(name: str, code: str) -> ValueSet:
    return ValueSet(name, name, {("urn:x", code): code}, {}, {}, [], {})


NAMES = {"drug": "d", "only": "o", "illness": "i", "clinic": "c", "theatre": "t", "ineffective": "n"}
CODES = TerminologyIndex({name: code_set(name, code) for name, code in NAMES.items()}, {})
TREATMENT = CompiledTreatment(
    "t", "Treatment", 90, ("drug", "only"), ("only",), ("illness",), ("clinic",), ("theatre",), 2, "Author's reason."
)
COURSE = CompiledCourse("c", "Course", None, "t", 90, 4, 28, ("ineffective",), "score", 50, 28, 14, 28)
SENT: dict[str, tuple[Delivery, ...]] = {
    kind: (Delivery(DeliveryState.WHOLE),) for kind in ("MedicationRequest", "Procedure")
}


def concept(code: str, display: str = "") -> Concept:
    return Concept((Coding("urn:x", code, display),))


def on(days_ago: int) -> Span:
    day = TODAY - timedelta(days=days_ago)
    return Span(day, day)


def given(days_ago: int, *, drug: str = "d", place: str = "", **changes: Any) -> Exposure:
    session = Exposure(
        f"MedicationAdministration/{days_ago}", f"{days_ago}", ExposureKind.ADMINISTRATION, concept(drug),
        start=on(days_ago), end=on(days_ago), status="completed", place=(concept(place),) if place else None,
    )  # fmt: skip
    return replace(session, **changes)


def record(*exposures: Exposure, procedures: tuple[Intervention, ...] = (), sent: Any = None) -> PatientRecord:
    return PatientRecord(
        Patient("Patient/p"), exposures=exposures, interventions=procedures, sent=SENT if sent is None else sent
    )


def treatment(*exposures: Exposure, **more: Any) -> Fact:
    return find_treatment(TREATMENT, sort_record(record(*exposures, **more), CODES, TODAY))


@pytest.mark.parametrize(
    ("session", "truth"),
    [
        (given(10, place="c"), Truth.TRUE),
        (given(10, place="t"), Truth.FALSE),
        (given(10, place="elsewhere"), Truth.UNKNOWN),
        (given(10), Truth.UNKNOWN),
        (given(10, drug="o"), Truth.TRUE),
        (given(10, drug="o", place="t"), Truth.TRUE),
        (given(10, reasons=(concept("i"),)), Truth.TRUE),
        (given(10, reasons=(concept("other", "Another illness"),)), Truth.FALSE),
        (given(10, reasons=(concept("other"),)), Truth.UNKNOWN),
        (given(10, place="c", doubtful=True), Truth.UNKNOWN),
        (given(90, place="c"), Truth.TRUE),
        (given(91, place="c"), Truth.FALSE),
        (given(-1, place="c"), Truth.FALSE),
        (given(10, place="c", start=None, end=None), Truth.UNKNOWN),
        (given(10, kind=ExposureKind.REQUEST, open_ended=True, end=None), Truth.TRUE),
        (given(400, kind=ExposureKind.REQUEST, open_ended=True, end=None), Truth.TRUE),
        (given(10, kind=ExposureKind.REQUEST, doubtful=True), Truth.UNKNOWN),
    ],
)
def test_a_session_is_the_treatment_by_its_place_its_reason_or_its_drug(session: Exposure, truth: Truth) -> None:
    assert treatment(session).truth is truth


def test_sessions_of_unknown_place_on_enough_days_are_the_treatment() -> None:
    assert treatment(given(10), given(13)).truth is Truth.TRUE
    assert treatment(given(10), given(10)).truth is Truth.UNKNOWN
    assert treatment(given(10, place="t"), given(13, place="t")).truth is Truth.FALSE


def test_a_procedure_counts_like_an_administration() -> None:
    done = Intervention("Procedure/1", concept("d"), on(5), "completed", (concept("c"),))

    assert treatment(procedures=(done,)).truth is Truth.TRUE
    assert treatment(procedures=(replace(done, place=None),)).truth is Truth.UNKNOWN
    assert treatment(procedures=(replace(done, status="unknown"),)).truth is Truth.UNKNOWN


@pytest.mark.parametrize("kind", ["MedicationRequest", "Procedure"])
def test_without_medications_or_procedures_it_cannot_be_told(kind: str) -> None:
    assert treatment().truth is Truth.FALSE
    assert treatment(sent={key: value for key, value in SENT.items() if key != kind}).truth is Truth.UNKNOWN


def score(days_ago: int, value: float) -> ConvertedMeasurement:
    return ConvertedMeasurement(on(days_ago), value, value, f"Observation/{days_ago}")


def course(*exposures: Exposure, scores: tuple[ConvertedMeasurement, ...] = (), sent: Any = None) -> Fact:
    sorted_record = sort_record(record(*exposures, sent=sent), CODES, TODAY)
    return find_course(COURSE, TREATMENT, sorted_record, scores)


FOUR = tuple(given(days, place="c") for days in (200, 203, 206, 209))


@pytest.mark.parametrize(
    ("scores", "truth"),
    [
        ((score(212, 20), score(190, 11)), Truth.TRUE),
        ((score(212, 20), score(190, 10)), Truth.FALSE),
        ((score(190, 10),), Truth.UNKNOWN),
        ((score(212, 20),), Truth.UNKNOWN),
        ((score(212, 20), score(150, 20)), Truth.UNKNOWN),
        ((score(260, 20), score(190, 20)), Truth.UNKNOWN),
        ((), Truth.UNKNOWN),
    ],
)
def test_a_course_that_is_over_is_judged_by_the_fall_of_the_score(
    scores: tuple[ConvertedMeasurement, ...], truth: Truth
) -> None:
    assert course(*FOUR, scores=scores).truth is truth


def test_what_is_too_short_or_not_over_is_no_course_that_failed() -> None:
    scores = (score(212, 20), score(190, 20))

    assert course(*FOUR[:3], scores=scores).truth is Truth.FALSE
    assert course(*FOUR, given(120, place="c"), given(10, place="c"), scores=scores).truth is not Truth.TRUE
    assert course(*(given(days, place="t") for days in (200, 203, 206, 209)), scores=scores).truth is Truth.FALSE


def test_a_stop_reason_decides_whatever_the_length() -> None:
    stopped = given(200, kind=ExposureKind.REQUEST, status="stopped", stopped_for=concept("n"))

    assert course(stopped).truth is Truth.TRUE
    assert course(stopped).because == "stopped as ineffective"


def test_no_course_is_unknown_where_the_data_did_not_come() -> None:
    assert course().truth is Truth.FALSE
    assert course(sent={}).truth is Truth.UNKNOWN


def since(days_ago: int, truth: Truth = Truth.TRUE) -> Fact:
    return Fact("since", "Since", truth=truth, day=on(days_ago))


def rise(facts: list[Fact], *scores: ConvertedMeasurement) -> Fact:
    return find_score_change(CompiledRise("r", "Rise", None, "score", ("since",), "{score}"), facts, scores, TODAY)


def test_a_rise_is_counted_from_the_last_score_up_to_the_latest_day() -> None:
    scores = (score(50, 3), score(30, 10), score(10, 16), score(5, 15))

    assert rise([since(40), since(20)], *scores).low == 5
    assert rise([since(40), since(20, Truth.FALSE)], *scores).low == 12
    assert rise([since(5)], *scores).low is None


@pytest.mark.parametrize("facts", [[], [since(20, Truth.UNKNOWN)], [Fact("x", "X", truth=Truth.TRUE)]])
def test_without_a_day_nothing_rose_since(facts: list[Fact]) -> None:
    fact = rise(facts, score(30, 10), score(10, 16))

    assert (fact.low, fact.high) == (None, None)


WANTED = CompiledOverride("o", "Override", 180, "TRD", frozenset({"patient-refuses"}))


def override(answers: tuple[Override, ...] | None) -> Fact:
    kept = replace(record(), overrides=answers)
    return find_override(WANTED, sort_record(kept, CODES, TODAY))


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        (Override("TRD", "patient-refuses", TODAY - timedelta(days=180)), Truth.TRUE),
        (Override("TRD", "patient-refuses", TODAY), Truth.TRUE),
        (Override("TRD", "patient-refuses", TODAY - timedelta(days=181)), Truth.FALSE),
        (Override("TRD", "other", TODAY), Truth.FALSE),
        (Override("Other", "patient-refuses", TODAY), Truth.FALSE),
    ],
)
def test_an_answer_to_an_earlier_card_counts_in_its_window(answer: Override, truth: Truth) -> None:
    fact = override((answer,))

    assert fact.truth is truth
    assert (fact.day is not None) is (truth is Truth.TRUE)


def test_without_a_journal_nobody_is_known_to_have_answered() -> None:
    assert override(None).truth is Truth.FALSE
    assert "not kept" in override(None).because
    assert override(()).truth is Truth.FALSE
