"""Where things stand in the drawing of a timeline."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.explanation.timeline import DrugBar, MedicationHistory, Point, Run, ScoreCourse
from cds.web.chart import DATE, SIDE, Chart, chart

FIRST, TODAY = date(2024, 1, 1), date(2025, 12, 30)


def run(first: str | None, last: str, low: float, high: float | None, *, sure: bool = True) -> Run:
    return Run(date.fromisoformat(first) if first else None, date.fromisoformat(last), sure, low, high)


def drawn(*runs: Run, minimum: float | None = 50.0, width: int = 1080, points: tuple[Point, ...] = ()) -> Chart:
    courses = (ScoreCourse("score", 0.0, 27.0, points),) if points else ()
    bar = DrugBar("alfadep", runs or (run("2024-01-01", "2024-06-30", 75, 75),), minimum)
    return chart(MedicationHistory("trials", FIRST, TODAY, None, 42, (bar,), courses, ""), width)


@pytest.mark.parametrize(("mg", "kind"), [(49.0, "bar-low"), (50.0, "bar-adequate"), (51.0, "bar-adequate")])
def test_a_dose_looks_different_from_its_minimum_on(mg: float, kind: str) -> None:
    (box,) = drawn(run("2024-01-01", "2024-06-30", mg, mg)).lanes[0].boxes

    assert box.kind == kind


def test_twice_the_dose_is_twice_as_high() -> None:
    one, two = drawn(run("2024-01-01", "2024-03-31", 50, 50), run("2024-04-01", "2024-06-30", 100, 100)).lanes[0].boxes

    assert two.height == pytest.approx(2 * one.height, abs=0.2)
    assert one.y + one.height == pytest.approx(two.y + two.height, abs=0.2)


@pytest.mark.parametrize(
    ("days", "kinds"),
    [
        (run("2024-01-01", "2024-06-30", 0, None), ["bar-unknown"]),
        (run("2024-01-01", "2024-06-30", 50, None), ["bar-unknown", "bar-adequate"]),
        (run("2024-01-01", "2024-06-30", 50, 100), ["bar-possible", "bar-adequate"]),
        (run("2024-01-01", "2024-06-30", 50, 50, sure=False), ["bar-possible"]),
        (run(None, "2024-06-30", 50, 50, sure=False), ["bar-possible"]),
    ],
)
def test_what_is_not_sure_does_not_look_sure(days: Run, kinds: list[str]) -> None:
    assert [box.kind for box in drawn(days).lanes[0].boxes] == kinds


def test_a_drug_without_a_minimum_has_no_line_and_no_adequate_look() -> None:
    (lane,) = drawn(minimum=None).lanes

    assert lane.minimum is None
    assert lane.boxes[0].kind == "bar-low"


def test_a_single_day_can_be_seen() -> None:
    assert drawn(run("2024-01-01", "2024-01-01", 75, 75)).lanes[0].boxes[0].width >= 2


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 90), st.floats(0, 1e6)), min_size=1, max_size=30),
    st.sampled_from([336, 1080]),
)
def test_nothing_is_drawn_outside_of_the_drawing(stretches: list[tuple[int, int, float]], width: int) -> None:
    runs = [
        Run(FIRST + timedelta(first), min(FIRST + timedelta(first + days), TODAY), True, mg, mg)
        for first, days, mg in stretches
        if FIRST + timedelta(first) <= TODAY
    ] or [Run(FIRST, TODAY, True, 1, 1)]
    points = tuple(Point(run.last, min(run.low, 27.0), min(run.low, 27.0), "Observation/1") for run in runs)

    picture = drawn(*runs, width=width, points=points)

    for lane in picture.lanes:
        for box in lane.boxes:
            assert SIDE <= box.x <= box.x + box.width <= width - SIDE + 2
            assert 0 <= box.y <= box.y + box.height <= picture.height
    for scores in picture.scores:
        assert all(scores.top <= dot.high <= dot.low <= scores.bottom for dot in scores.dots)
    places = [x for x, _ in picture.ticks]
    assert all(SIDE <= x <= width - DATE for x in places)
    assert all(after - before >= 60 for before, after in pairwise(places))
