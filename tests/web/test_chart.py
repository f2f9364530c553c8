"""Where things stand in the drawing of a timeline."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.explanation.timeline import DrugBar, EventLane, MedicationHistory, Point, Run, ScoreCourse, Target
from cds.facts.fact import DrawnEvent
from cds.web.chart import DATE, SIDE, WORD, Chart, chart, event_words

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


@pytest.mark.seconds
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


def day(text: str) -> date:
    return date.fromisoformat(text)


def event(first: str, last: str = "", *, sure: bool = True) -> DrawnEvent:
    return DrawnEvent(day(first), day(last or first), "Words of the chart", sure, "Procedure/1")


def with_lanes(*lanes: EventLane, width: int = 1080) -> Chart:
    bar = DrugBar("alfadep", (run("2024-01-01", "2024-06-30", 75, 75),), 50.0)
    return chart(MedicationHistory("trials", FIRST, TODAY, None, 42, (bar,), (), "", lanes=lanes), width)


def test_what_happened_stands_on_its_day_above_the_drugs() -> None:
    drawing = with_lanes(EventLane("ECT", (event("2024-01-01"), event("2025-12-30", sure=False))))
    lane, drug = drawing.lanes

    assert [(box.kind, box.width) for box in lane.boxes] == [("event", 3.0), ("event-possible", 3.0)]
    assert lane.boxes[0].x == SIDE
    assert lane.boxes[1].x > 1000
    assert lane.boxes[0].y + lane.boxes[0].height < drug.words[0].y
    assert "not certain" in lane.boxes[1].says
    assert "ECT: 2 entries, 2024-01-01 to 2025-12-30" in drawing.says


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((event("2024-01-01"),), "ECT: 2024-01-01"),
        ((event("2024-01-01", "2024-02-01"),), "ECT: 2024-01-01 to 2024-02-01"),
        ((event("2025-01-01", "2025-12-30"),), "ECT: since 2025-01-01"),
        ((event("2024-01-01"), event("2025-01-01", "2025-12-30")), "ECT: since 2025-01-01; 1 earlier"),
        ((event("2025-12-30"),), "ECT: 2025-12-30"),
    ],
)
def test_what_happened_is_told_in_words(events: tuple[DrawnEvent, ...], words: str) -> None:
    assert event_words(EventLane("ECT", events), TODAY) == words


def remission(when: str) -> DrawnEvent:
    return DrawnEvent(day(when), day(when), "a remission was coded", True, "Condition/1", remission=True)


def test_a_remission_is_told_and_drawn_apart_from_the_episode() -> None:
    since = event("2025-01-01", "2025-12-30")
    lane = EventLane("Episode", (remission("2023-01-01"), remission("2024-06-01"), since))

    assert event_words(lane, TODAY) == "Episode: since 2025-01-01; last remission 2024-06-01; 1 earlier"
    assert event_words(EventLane("Episode", (remission("2024-06-01"),)), TODAY) == "Episode: last remission 2024-06-01"
    boxes = with_lanes(EventLane("Episode", (remission("2024-06-01"), since))).lanes[0].boxes
    assert [box.kind for box in boxes] == ["remission", "event"]


@pytest.mark.parametrize("width", [336, 1080])
def test_words_are_never_wider_than_the_drawing(width: int) -> None:
    long = EventLane("A treatment with a name that is much longer than a phone is wide", (event("2024-01-01"),))
    drawing = with_lanes(long, width=width)
    words = [one for lane in drawing.lanes for one in lane.words]

    assert all(len(one.text) * WORD <= width - 2 * SIDE for one in words)
    assert (len(drawing.lanes[0].words) > 1) == (width == 336)
    assert all(one.y < lane.boxes[0].y for lane in drawing.lanes for one in lane.words)
    assert " ".join(one.text for one in drawing.lanes[0].words).startswith(long.words)


BANDS = ((0.0, "none"), (10.0, "moderate"), (20.0, "severe"))


def test_bands_and_the_line_of_a_response_stand_at_their_values() -> None:
    first, last = Point(day("2025-06-01"), 20, 20, "Observation/1"), Point(day("2025-09-01"), 10, 10, "Observation/2")
    course = ScoreCourse("score", 0.0, 40.0, (first, last), BANDS, Target(10, first))
    (scores,) = chart(MedicationHistory("trials", FIRST, TODAY, None, 42, (), (course,), ""), 1080).scores

    assert [band.words for band in scores.bands] == ["moderate", "severe"]  # the lowest one begins at the frame
    assert scores.bands[0].y == pytest.approx((scores.top + 3 * scores.bottom) / 4, abs=0.2)
    assert scores.target is not None
    assert scores.target.y == scores.bands[0].y == scores.dots[1].low
    assert "10 or less (first score 20 on 2025-06-01)" in scores.target.words


@pytest.mark.parametrize(("when", "anchor"), [("2024-01-10", "end"), ("2025-06-01", "start")])
def test_words_of_bands_keep_clear_of_early_scores(when: str, anchor: str) -> None:
    course = ScoreCourse("score", 0.0, 40.0, (Point(day(when), 20, 20, "Observation/1"),), BANDS)
    (scores,) = chart(MedicationHistory("trials", FIRST, TODAY, None, 42, (), (course,), ""), 336).scores

    assert {band.anchor for band in scores.bands} == {anchor}
