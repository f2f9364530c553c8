"""A course: which days are its sessions, its phase, its response, and what may lie before its first session."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import inf
from typing import Any

import pytest

from cds.facts.context import sort_record
from cds.facts.course import CompiledLatestCourse, latest_course
from cds.facts.fact import CoursePhase, TreatmentCourse
from cds.facts.measurements import ConvertedMeasurement
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Intervention, Span
from cds.terminology.concepts import Concept
from tests.facts.test_treatment import CODES, SENT, TODAY, TREATMENT, concept, given, on, record

WANTED = CompiledLatestCourse("c", "Course", None, "t", 90, 28, ("score",), 50, 28, 14, 28)
WHOLE = SENT | {"MedicationAdministration": (Delivery(DeliveryState.WHOLE),)}
STREAK = tuple(given(days_ago, drug="o") for days_ago in (60, 57, 53, 3))


def course(
    *exposures: Exposure, scores: tuple[tuple[int, float, float], ...] = (), goes_on: bool = True, **more: Any
) -> TreatmentCourse | None:
    chart = record(*exposures, sent=more.pop("sent", WHOLE), **more)
    readings = [ConvertedMeasurement(on(ago), low, high, f"Observation/{ago}") for ago, low, high in scores]
    return latest_course(WANTED, TREATMENT, sort_record(chart, CODES, TODAY), [("Score", readings)], goes_on=goes_on)


def the(*exposures: Exposure, **more: Any) -> TreatmentCourse:
    found = course(*exposures, **more)
    assert found is not None
    return found


def order(days_ago: int, kind: ExposureKind = ExposureKind.REQUEST, **more: Any) -> Exposure:
    return Exposure(
        f"{kind.value}/{days_ago}", f"{days_ago}", kind, concept("o"),
        start=on(days_ago), open_ended=True, status="active", **more,
    )  # fmt: skip


def test_without_any_entry_there_is_none() -> None:
    assert course() is None


def test_a_course_holds_its_sessions_first_and_last() -> None:
    found = the(*STREAK)

    assert (found.first, found.last, found.sessions) == (on(60), on(3), (4, 4))
    assert [one.reference for one in found.given] == [f"MedicationAdministration/{ago}" for ago in (60, 57, 53, 3)]
    assert all(one.sure and one.session for one in found.given)


@pytest.mark.parametrize(("first", "phase"), [(27, CoursePhase.INDUCTION), (28, CoursePhase.MAINTENANCE)])
def test_the_induction_lasts_four_weeks_with_its_first_day(first: int, phase: CoursePhase) -> None:
    found = the(given(first, drug="o"), given(1, drug="o"))

    assert found.phase is phase
    assert found.induction_until == Span(*[TODAY - timedelta(days=first - 27)] * 2)


def test_a_course_that_is_over_has_no_phase() -> None:
    assert the(*STREAK, goes_on=False).phase is None


UNDATED = replace(given(5, drug="o"), source="MedicationAdministration/undated", identity="u", start=None, end=None)


def test_a_session_without_a_day_may_have_been_the_first() -> None:
    found = the(given(10, drug="o"), given(3, drug="o"), UNDATED)

    assert (found.first, found.phase, found.sessions) == (None, None, (2, 3))
    assert found.response is Truth.UNKNOWN


def test_it_is_maintenance_wherever_the_session_without_a_day_was() -> None:
    assert the(*STREAK, UNDATED).phase is CoursePhase.MAINTENANCE


def test_sessions_without_any_day_tell_nothing_but_that_they_may_be() -> None:
    found = the(UNDATED)

    assert (found.first, found.last, found.phase, found.sessions) == (None, None, None, (0, inf))


@pytest.mark.parametrize("kind", ["Procedure", "MedicationAdministration"])
def test_what_did_not_come_may_hold_earlier_sessions(kind: str) -> None:
    sent = WHOLE | {kind: (Delivery(DeliveryState.NOT_SENT, "not sent"),)}

    found = the(given(10, drug="o"), given(3, drug="o"), sent=sent)

    assert (found.first, found.phase, found.sessions) == (None, None, (2, inf))
    assert the(*STREAK, sent=sent).phase is CoursePhase.MAINTENANCE


def test_a_day_known_to_the_month_leaves_the_first_session_open() -> None:
    may = Span(date(2026, 5, 1), date(2026, 5, 31))

    found = the(replace(given(5, drug="o"), start=may, end=may), given(1, drug="o"))

    assert (found.first, found.phase) == (may, None)


def test_a_procedure_that_was_not_read_may_have_been_earlier() -> None:
    unread = Intervention("Procedure/x", Concept(()), on(40), "completed")

    found = the(given(10, drug="o"), given(3, drug="o"), procedures=(unread,))

    assert (found.first, found.phase, found.sessions) == (Span(on(40).earliest, on(10).latest), None, (2, 3))
    assert [one.sure for one in found.given] == [False, True, True]


def test_sessions_of_a_place_that_is_not_known_count_once_there_are_enough() -> None:
    assert the(given(10), given(3)).sessions == (2, 2)
    assert the(given(3), goes_on=False).sessions == (0, 1)


def test_an_order_alone_tells_of_no_session() -> None:
    found = the(order(40))

    assert (found.sessions, found.phase, found.first) == ((0, inf), None, Span(on(40).earliest, TODAY))
    assert the(order(27)).phase is CoursePhase.INDUCTION


def test_an_order_does_not_move_the_first_session() -> None:
    found = the(order(40), given(10, drug="o"), given(3, drug="o"))

    assert (found.first, found.phase, found.sessions) == (on(10), CoursePhase.INDUCTION, (2, 2))


def test_a_statement_tells_since_when() -> None:
    assert the(order(40, ExposureKind.STATEMENT)).phase is CoursePhase.MAINTENANCE


def test_sessions_far_apart_are_two_courses() -> None:
    assert the(given(200, drug="o"), given(3, drug="o")).sessions == (1, 1)
    assert the(given(93, drug="o"), given(3, drug="o")).sessions == (2, 2)
    assert the(given(94, drug="o"), given(3, drug="o")).sessions == (1, 1)


@pytest.mark.parametrize(
    ("scores", "response"),
    [
        (((65, 20, 20), (30, 10, 10)), Truth.TRUE),
        (((65, 20, 20), (30, 11, 11)), Truth.FALSE),
        (((65, 20, 20), (30, 9, 11)), Truth.UNKNOWN),
        (((88, 20, 20), (30, 10, 10)), Truth.TRUE),
        (((89, 20, 20), (30, 10, 10)), Truth.UNKNOWN),
        (((65, 20, 20), (47, 10, 10)), Truth.TRUE),
        (((65, 20, 20), (48, 10, 10)), Truth.UNKNOWN),
        (((65, 20, 20), (5, 10, 10)), Truth.TRUE),
        (((65, 20, 20), (4, 10, 10)), Truth.UNKNOWN),
        (((60, 20, 20), (30, 10, 10)), Truth.TRUE),
        (((65, 0, 0), (30, 10, 10)), Truth.UNKNOWN),
        ((), Truth.UNKNOWN),
    ],
    ids=[
        "half", "less than half", "a range across", "28 days before", "29 days before", "14 days before the end",
        "15 days before the end", "28 days after", "29 days after", "on the first day", "no score to fall", "none",
    ],
)  # fmt: skip
def test_response_is_the_fall_from_the_start_to_the_end_of_induction(
    scores: tuple[tuple[int, float, float], ...], response: Truth
) -> None:
    assert the(*STREAK, scores=scores).response is response


def test_response_is_open_until_the_induction_is_over() -> None:
    found = the(given(20, drug="o"), given(3, drug="o"), scores=((25, 20, 20), (1, 5, 5)))

    assert found.response is Truth.UNKNOWN
    assert "the induction lasts until" in found.outcome


def test_a_course_that_ended_early_is_judged_at_its_end() -> None:
    short = (given(200, drug="o"), given(190, drug="o"))

    assert the(*short, scores=((205, 20, 20), (165, 10, 10)), goes_on=False).response is Truth.TRUE
    assert the(*short, scores=((205, 20, 20), (161, 10, 10)), goes_on=False).response is Truth.UNKNOWN


def test_scales_that_contradict_each_other_leave_the_response_open() -> None:
    def read(first: float, last: float) -> list[ConvertedMeasurement]:
        return [
            ConvertedMeasurement(on(ago), value, value, "Observation/x") for ago, value in ((65, first), (30, last))
        ]

    found = latest_course(
        WANTED, TREATMENT, sort_record(record(*STREAK, sent=WHOLE), CODES, TODAY),
        [("One", read(20, 8)), ("Other", read(20, 18))], goes_on=True,
    )  # fmt: skip

    assert found is not None
    assert found.response is Truth.UNKNOWN
    assert found.outcome == "One fell by 60%; Other fell by 10%"
