"""Timeline → places in a drawing, so that a template only writes them down; sizes in pixels of the drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from textwrap import wrap

from cds.explanation.timeline import DrugBar, EventLane, MedicationHistory, Run, ScoreCourse
from cds.facts.fact import DrawnEvent
from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth

SIDE, TOP = 6, 26  # margins
LABEL, BAR, GAP = 16, 34, 14  # heights of a lane: its words, its bar, the room below
COURSE, ROOM = 96, 30  # height of a course of scores, and of the words above it
TICK = 84  # pixels between two dates on the axis, at least
DATE = 66  # pixels that a date on the axis takes
STEPS = (1, 2, 3, 6, 12, 24, 60, 120)  # months between them
MONTHS = (
    say("Jan"), say("Feb"), say("Mar"), say("Apr"), say("May"), say("Jun"), say("Jul"), say("Aug"), say("Sep"),
    say("Oct"), say("Nov"), say("Dec"),
)  # fmt: skip
HEADROOM = 1.15  # the highest dose of a lane leaves so much room above itself
ROOM_OF_BAND = 100  # pixels that the word of a band takes
LINE = 14  # height of a line of words
EVENT = 12  # height of what happened
WORD = 6.4  # pixels a letter takes, at most
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
class Words:
    """A line of words, and where it stands."""

    text: str
    y: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One drug: its words, its boxes, the line of its minimum dose, and where it was reached; or what happened."""

    words: tuple[Words, ...]
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
class ScoreLine:
    """A line across a scale and the words at it, which begin or end at `x`."""

    y: float
    words: str
    x: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Scores:
    """
    One scale: its words, its frame (top, bottom, the ends of the scale), its dots and the line between them.

    Bands are lines at the lowest value of each band of severity; the target is where a response begins.
    """

    words: str
    top: float
    bottom: float
    lowest: str
    highest: str
    line: str
    dots: tuple[Dot, ...]
    bands: tuple[ScoreLine, ...] = ()
    target: ScoreLine | None = None


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


def chart(timeline: MedicationHistory, width: int, in_words: Catalog = ENGLISH_CATALOG) -> Chart:
    """A timeline drawn so wide; words that may need several lines are put in the language of `in_words`."""
    inner = width - 2 * SIDE
    days = max(1, (timeline.last - timeline.first).days + 1)

    def place(day: date) -> float:
        inside = min(max((day - timeline.first).days, 0), days)
        return round(SIDE + inner * inside / days, 1)

    y = float(TOP)
    lanes = []
    for happened in timeline.lanes:
        words = _wrapped(in_words(event_words(happened, timeline.last)), inner, y)
        y = words[-1].y + 4
        lanes.append(Lane(words, tuple(_events(happened, y, place)), None, None))
        y += EVENT + GAP
    for bar in timeline.bars:
        words = _wrapped(in_words(lane_words(bar)), inner, y)
        y = words[-1].y + 4
        lanes.append(_lane(bar, words, y, timeline, place))
        y += BAR + GAP
    scores = []
    for course in timeline.courses:
        y += ROOM
        scores.append(_scores(course, y, place, inner))
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
        says=say(
            "{label}, {first} to {last}: {drugs}",
            label=timeline.label,
            first=timeline.first,
            last=timeline.last,
            drugs=join_texts(
                "; ",
                [
                    *(event_words(happened, timeline.last) for happened in timeline.lanes),
                    *(join_texts(" ", [bar.name, _bounds(bar, timeline)]) for bar in timeline.bars),
                ],
            ),
        ),
    )


def _wrapped(words: str, inner: float, y: float) -> tuple[Words, ...]:
    """Words in as many lines as they need, the first below `y`."""
    lines = wrap(words, max(1, int(inner / WORD))) or [""]
    return tuple(Words(line, y + LABEL - 4 + LINE * number) for number, line in enumerate(lines))


def event_words(lane: EventLane, today: date) -> str:
    """What happened in words: how often, and when last; or since when it goes on; and the last remission."""
    remissions = [event for event in lane.events if event.remission]
    told = [_happened([event for event in lane.events if not event.remission], today)]
    if remissions:
        told.append(say("last remission {days}", days=_days(remissions[-1])))
    if len(remissions) > 1:
        told.append(say("{number} earlier", number=len(remissions) - 1))
    return join_texts(": ", [lane.words, join_texts("; ", [words for words in told if words])])


def _happened(events: Sequence[DrawnEvent], today: date) -> str:
    if not events:
        return ""
    first, last = events[0], events[-1]
    if last.last >= today and last.first < today:
        since = say("since {first}", first=last.first)
        earlier = [say("{number} earlier", number=len(events) - 1)] if len(events) > 1 else []
        return join_texts("; ", [since, *earlier])
    if len(events) > 1:
        return counted(
            "{number} entry, {first} to {last}",
            "{number} entries, {first} to {last}",
            len(events),
            first=first.first,
            last=last.last,
        )
    return _days(last)


def _days(event: DrawnEvent) -> str:
    if event.first == event.last:
        return event.first.isoformat()
    return say("{first} to {last}", first=event.first, last=event.last)


def _events(lane: EventLane, y: float, place: Place) -> Iterator[ChartBox]:
    for event in lane.events:
        x = place(event.first)
        width = max(3.0, round(place(date.fromordinal(event.last.toordinal() + 1)) - x, 1))
        doubt = [] if event.sure else [say("not certain")]
        says = join_texts(", ", [event.words, _days(event), *doubt])
        kind = "remission" if event.remission else "event"
        yield ChartBox(x, y, width, EVENT, kind if event.sure else f"{kind}-possible", says)


def _bounds(bar: DrugBar, timeline: MedicationHistory) -> str:
    first = bar.runs[0].first
    last = bar.runs[-1].last
    return say(
        "{first} to {last}",
        first=first or say("since an unknown day"),
        last=say("now") if last >= timeline.last else last,
    )


def _lane(bar: DrugBar, words: tuple[Words, ...], y: float, timeline: MedicationHistory, place: Place) -> Lane:
    doses = [dose for run in bar.runs for dose in (run.low, run.high) if dose is not None]
    scale = max([*doses, bar.minimum or 0.0]) * HEADROOM or 1.0
    floor = y + BAR

    def up(dose: float) -> float:
        return round(BAR * dose / scale, 1)

    boxes = [box for run in bar.runs for box in _boxes(run, bar, floor, up, timeline, place)]
    ends = place(bar.runs[0].first or timeline.first), place(bar.runs[-1].last)
    return Lane(
        words=words,
        boxes=tuple(boxes),
        minimum=(*ends, round(floor - up(bar.minimum), 1)) if bar.minimum else None,
        reached=(
            place(bar.reached),
            floor,
            counted(
                "{number} day at an adequate dose on {reached}",
                "{number} days at an adequate dose on {reached}",
                timeline.days,
                reached=bar.reached,
            ),
        )
        if bar.reached is not None
        else None,
    )


def lane_words(bar: DrugBar) -> str:
    """A drug in words: its highest dose, the minimum, and what the rules made of it."""
    lows = [run.low for run in bar.runs]
    highs = [run.high for run in bar.runs]
    dose = (
        say("dose not known")
        if None in highs and not any(lows)
        else say("{dose} mg/day", dose=f"{max(*lows, *(h or 0.0 for h in highs)):g}")
    )
    minimum = say(", minimum {minimum}", minimum=f"{bar.minimum:g}") if bar.minimum is not None else ""
    if bar.beside:
        role = say("augmentation")
    elif bar.trial is None:
        role = say("before the current episode")
    else:
        role = {Truth.TRUE: say("adequate"), Truth.FALSE: say("not adequate"), Truth.UNKNOWN: say("adequacy unknown")}[
            bar.trial.adequate
        ]
    return join_texts("", [bar.name, ": ", dose, minimum, "; ", role])


def _boxes(
    run: Run, bar: DrugBar, floor: float, up: Callable[[float], float], timeline: MedicationHistory, place: Place
) -> Iterator[ChartBox]:
    x = place(run.first) if run.first is not None else place(timeline.first)
    width = max(2.0, round(place(date.fromordinal(run.last.toordinal() + 1)) - x, 1))
    since = str(run.first) if run.first is not None else say("an unknown day")
    when = say("{bar}, {since} to {last}", bar=bar.name, since=since, last=run.last)
    if run.high is None:
        yield ChartBox(x, floor - BAR, width, BAR, "bar-unknown", say("{when}: dose not known", when=when))
    elif run.high > run.low or not run.sure:
        says = (
            say("{when}: possibly up to {high} mg/day", when=when, high=f"{run.high:g}")
            if run.sure
            else say("{when}: possibly taken, {high} mg/day", when=when, high=f"{run.high:g}")
        )
        yield ChartBox(x, floor - up(run.high), width, up(run.high), "bar-possible", says)
    if run.sure and run.low > 0:
        enough = bar.minimum is not None and run.low >= bar.minimum
        kind = "bar-other" if bar.beside else "bar-adequate" if enough else "bar-low"
        yield ChartBox(
            x, floor - up(run.low), width, up(run.low), kind, say("{when}: {low} mg/day", when=when, low=f"{run.low:g}")
        )


def _scores(course: ScoreCourse, top: float, place: Place, inner: float) -> Scores:
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
            say(
                "{course} {low}{high} on {day}",
                course=course.label,
                low=f"{point.low:g}",
                high="" if point.low == point.high else say(" to {high}", high=f"{point.high:g}"),
                day=point.day,
            ),
        )
        for point in course.points
    )
    line = " ".join(f"{dot.x},{(dot.low + dot.high) / 2:g}" for dot in dots) if len(dots) > 1 else ""
    left = all(dot.x > SIDE + ROOM_OF_BAND for dot in dots)
    x, anchor = (SIDE + 22.0, "start") if left else (SIDE + inner - 4.0, "end")
    bands = tuple(
        ScoreLine(up(low), words, x, anchor) for low, words in course.bands if course.lowest < low < course.highest
    )
    target = None
    if course.target is not None:
        said = say(
            "response at {value} or less (first score {first} on {day})",
            value=f"{course.target.value:g}",
            first=f"{course.target.of.high:g}",
            day=course.target.of.day,
        )
        target = ScoreLine(up(course.target.value), said, 0.0, "start")
    return Scores(
        course.label, top, bottom, f"{course.lowest:g}", f"{course.highest:g}", line, dots, bands=bands, target=target
    )


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
            yield place(day), join_texts(" ", [MONTHS[day.month - 1], str(day.year)])
        index += step
