"""Timeline → places in a drawing, so that a template only writes them down; sizes in pixels of the drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from cds.explanation.timeline import DrugBar, MedicationHistory, Run, ScoreCourse
from cds.logic.truth import Truth

SIDE, TOP = 6, 26  # margins
LABEL, BAR, GAP = 16, 34, 14  # heights of a lane: its words, its bar, the room below
COURSE, ROOM = 96, 30  # height of a course of scores, and of the words above it
TICK = 84  # pixels between two dates on the axis, at least
DATE = 66  # pixels that a date on the axis takes
STEPS = (1, 2, 3, 6, 12, 24, 60, 120)  # months between them
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEADROOM = 1.15  # the highest dose of a lane leaves so much room above itself
MOST_VALUES = 12  # scores with their value written beside them
Place = Callable[[date], float]


@dataclass(frozen=True, slots=True)
class ChartBox:
    """A rectangle, how it is filled (a class of the style sheet), and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One drug: its words and where they stand, its boxes, the line of its minimum dose, and where it was reached."""

    words: str
    y: float
    boxes: tuple[ChartBox, ...]
    minimum: tuple[float, float, float] | None
    reached: tuple[float, float, str] | None


@dataclass(frozen=True, slots=True)
class Dot:
    """One score: where its ends are, its words, and whether they are written beside it."""

    x: float
    low: float
    high: float
    words: str
    says: str


@dataclass(frozen=True, slots=True)
class Scores:
    """One scale: its words, its frame (top, bottom, the ends of the scale), its dots and the line between them."""

    words: str
    top: float
    bottom: float
    lowest: str
    highest: str
    line: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing: its size, dates along the axis, the first day that can count, lanes and courses of scores."""

    width: int
    height: float
    bottom: float
    ticks: tuple[tuple[float, str], ...]
    begins: float | None
    lanes: tuple[Lane, ...]
    scores: tuple[Scores, ...]
    says: str


def chart(timeline: MedicationHistory, width: int) -> Chart:
    """A timeline drawn so wide."""
    inner = width - 2 * SIDE
    days = max(1, (timeline.last - timeline.first).days + 1)

    def place(day: date) -> float:
        inside = min(max((day - timeline.first).days, 0), days)
        return round(SIDE + inner * inside / days, 1)

    y = float(TOP)
    lanes = []
    for bar in timeline.bars:
        lanes.append(_lane(bar, y, timeline, place))
        y += LABEL + BAR + GAP
    scores = []
    for course in timeline.courses:
        y += ROOM
        scores.append(_scores(course, y, place))
        y += COURSE + GAP
    begins = timeline.begins
    return Chart(
        width=width,
        height=y + 2,
        bottom=y,
        ticks=tuple(_ticks(timeline, inner, place)),
        begins=place(begins) if begins is not None and begins > timeline.first else None,
        lanes=tuple(lanes),
        scores=tuple(scores),
        says=f"{timeline.label}, {timeline.first} to {timeline.last}: "
        + "; ".join(f"{bar.name} {_bounds(bar, timeline)}" for bar in timeline.bars),
    )


def _bounds(bar: DrugBar, timeline: MedicationHistory) -> str:
    first = bar.runs[0].first
    last = bar.runs[-1].last
    return f"{first or 'since an unknown day'} to {'now' if last >= timeline.last else last}"


def _lane(bar: DrugBar, y: float, timeline: MedicationHistory, place: Place) -> Lane:
    doses = [dose for run in bar.runs for dose in (run.low, run.high) if dose is not None]
    scale = max([*doses, bar.minimum or 0.0]) * HEADROOM or 1.0
    floor = y + LABEL + BAR

    def up(dose: float) -> float:
        return round(BAR * dose / scale, 1)

    boxes = [box for run in bar.runs for box in _boxes(run, bar, floor, up, timeline, place)]
    ends = place(bar.runs[0].first or timeline.first), place(bar.runs[-1].last)
    return Lane(
        words=lane_words(bar),
        y=y + LABEL - 4,
        boxes=tuple(boxes),
        minimum=(*ends, round(floor - up(bar.minimum), 1)) if bar.minimum else None,
        reached=(place(bar.reached), floor, f"{timeline.days} days at an adequate dose on {bar.reached}")
        if bar.reached is not None
        else None,
    )


def lane_words(bar: DrugBar) -> str:
    """A drug in words: its highest dose, the minimum, and what the rules made of it."""
    lows = [run.low for run in bar.runs]
    highs = [run.high for run in bar.runs]
    dose = "dose not known" if None in highs and not any(lows) else f"{max(*lows, *(h or 0.0 for h in highs)):g} mg/day"
    minimum = f", minimum {bar.minimum:g}" if bar.minimum is not None else ""
    if bar.beside:
        role = "augmentation"
    elif bar.trial is None:
        role = "before the current episode"
    else:
        role = {Truth.TRUE: "adequate", Truth.FALSE: "not adequate", Truth.UNKNOWN: "adequacy unknown"}[
            bar.trial.adequate
        ]
    return f"{bar.name}: {dose}{minimum}; {role}"


def _boxes(
    run: Run, bar: DrugBar, floor: float, up: Callable[[float], float], timeline: MedicationHistory, place: Place
) -> Iterator[ChartBox]:
    x = place(run.first) if run.first is not None else place(timeline.first)
    width = max(2.0, round(place(date.fromordinal(run.last.toordinal() + 1)) - x, 1))
    since = str(run.first) if run.first is not None else "an unknown day"
    when = f"{bar.name}, {since} to {run.last}"
    if run.high is None:
        yield ChartBox(x, floor - BAR, width, BAR, "bar-unknown", f"{when}: dose not known")
    elif run.high > run.low or not run.sure:
        says = (
            f"{when}: possibly up to {run.high:g} mg/day"
            if run.sure
            else f"{when}: possibly taken, {run.high:g} mg/day"
        )
        yield ChartBox(x, floor - up(run.high), width, up(run.high), "bar-possible", says)
    if run.sure and run.low > 0:
        enough = bar.minimum is not None and run.low >= bar.minimum
        kind = "bar-other" if bar.beside else "bar-adequate" if enough else "bar-low"
        yield ChartBox(x, floor - up(run.low), width, up(run.low), kind, f"{when}: {run.low:g} mg/day")


def _scores(course: ScoreCourse, top: float, place: Place) -> Scores:
    span = (course.highest - course.lowest) or 1.0
    bottom = top + COURSE

    def up(value: float) -> float:
        return round(bottom - COURSE * (value - course.lowest) / span, 1)

    dots = tuple(
        Dot(
            place(point.day),
            up(point.low),
            up(point.high),
            (f"{point.low:g}" if point.low == point.high else f"{point.low:g}–{point.high:g}")
            if len(course.points) <= MOST_VALUES
            else "",
            f"{course.label} {point.low:g}{'' if point.low == point.high else f' to {point.high:g}'} on {point.day}",
        )
        for point in course.points
    )
    line = " ".join(f"{dot.x},{(dot.low + dot.high) / 2:g}" for dot in dots) if len(dots) > 1 else ""
    return Scores(course.label, top, bottom, f"{course.lowest:g}", f"{course.highest:g}", line, dots)


def _ticks(timeline: MedicationHistory, inner: float, place: Place) -> Iterator[tuple[float, str]]:
    first, last = timeline.first, timeline.last
    months = max(1, (last.year - first.year) * 12 + last.month - first.month)
    most = max(1, int(inner // TICK))
    step = next((step for step in STEPS if months / step <= most), STEPS[-1])
    index = first.year * 12 + first.month - 1
    index += -index % step
    while index <= last.year * 12 + last.month - 1:
        day = date(index // 12, index % 12 + 1, 1)
        if day >= first and place(day) <= SIDE + inner - DATE:
            yield place(day), f"{MONTHS[day.month - 1]} {day.year}"
        index += step
