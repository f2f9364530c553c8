"""Record + decision → when each drug was taken at which dose, with the scores on the same axis of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf

from cds.decide import Decision
from cds.facts.context import SortedRecord, sort_record
from cds.facts.fact import DrawnEvent, Fact, Trial, WhyUnknown
from cds.facts.kind import CompiledFact, EvaluationContext
from cds.facts.measurements import ConvertedMeasurement
from cds.facts.trials.definition import TrialDefinition, trial_definitions
from cds.facts.trials.exposure_periods import Days, day_by_day, exposure_periods
from cds.facts.trials.treatment_episodes import TreatmentEpisode, day_reached
from cds.facts.trials.trials import Timeline, TrialFinder
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import CompiledRuleset


@dataclass(frozen=True, slots=True)
class Run:
    """
    Days on which nothing changes.

    Attributes:
        first, last: Both included; `first` None: since nobody knows when.
        sure: It was surely taken.
        low, high: Milligrams a day, surely and possibly; `high` None when the dose may be anything.
    """

    first: date | None
    last: date
    sure: bool
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class DrugBar:
    """
    One drug over one stretch of time.

    Attributes:
        name: Of the drug.
        runs: In order; between two of them it was not taken.
        minimum: Milligrams a day from which the dose is adequate; None when the drug table has none.
        trial: What the rules made of it; None for what is no trial of the current episode.
        beside: It augments others.
        reached: The day on which it had surely been taken at an adequate dose for long enough; None if it never was.
    """

    name: str
    runs: tuple[Run, ...]
    minimum: float | None
    trial: Trial | None = None
    beside: bool = False
    reached: date | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A score on a day, as a range; both ends are equal when it is known exactly."""

    day: date
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Target:
    """The value from which on a score is a response, and the score it is counted from."""

    value: float
    of: Point


@dataclass(frozen=True, slots=True)
class ScoreCourse:
    """
    The scores of one scale, oldest first.

    Attributes:
        lowest, highest: The ends of the scale.
        bands: Lowest value of each band of severity, and its word, ascending; () where none are known.
        target: What would be a response, counted from the first score since the episode began; None without one.
    """

    label: str
    lowest: float
    highest: float
    points: tuple[Point, ...]
    bands: tuple[tuple[float, str], ...] = ()
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class EventLane:
    """What happened of one kind, oldest first: sessions, admissions, an episode and its remissions."""

    words: str
    events: tuple[DrawnEvent, ...]


@dataclass(frozen=True, slots=True)
class MedicationHistory:
    """
    The medication history as the rules see it.

    Attributes:
        label: Of the fact: "Antidepressant trials".
        first, last: What the axis spans; `last` is the day of the answer.
        begins: The first day that can count, where an episode bounds it.
        days: How many days at dose make a trial adequate.
        bars: Oldest first; what augments stands last.
        courses: Scales with at least one score.
        because: What else there is to say: what was not counted, and why.
        left_out: How many bars are not among `bars`, the oldest ones.
        lanes: What else happened, a lane for each kind that did.
        not_drawn: What may have happened and is not in `lanes`, a clause for each kind and reason.
    """

    label: str
    first: date
    last: date
    begins: date | None
    days: int
    bars: tuple[DrugBar, ...]
    courses: tuple[ScoreCourse, ...]
    because: str
    left_out: int = 0
    lanes: tuple[EventLane, ...] = ()
    not_drawn: tuple[str, ...] = ()


MOST_BARS = 60  # the newest ones; a chart with more repeats itself
MOST_EVENTS = 200  # of one lane, the newest ones
MOST_POINTS = 200  # of one scale, the newest ones
NOT_SEEN = frozenset({WhyUnknown.NOT_SENT, WhyUnknown.UNREADABLE, WhyUnknown.POSSIBLE})
EPOCH = date.min.toordinal() + 1  # days before it stand for "nobody knows since when"


def timelines(program: CompiledRuleset, decision: Decision) -> tuple[MedicationHistory, ...]:
    """One for each way the rules look for trials that finds any; empty when no drug was found."""
    sorted_record = sort_record(decision.record, program.codes, decision.today)
    finder = TrialFinder(sorted_record, {})
    facts = {wanted.name: wanted for wanted in program.wanted}
    beside = _event_lanes(program, decision, sorted_record), tuple(_not_drawn(program, decision))
    made: list[MedicationHistory] = []
    for wanted in trial_definitions(program.wanted):
        if wanted.name not in program.copies:
            laid = finder.timeline(wanted, decision.facts.by_name.get(wanted.episode))
            fact = decision.facts[wanted.name]
            scales = [facts[by.score] for by in wanted.no_response.measured_by]
            timeline = _timeline(wanted, laid, fact, scales, sorted_record, *beside)
            if timeline is not None:
                made.append(timeline)
    return tuple(made)


def _timeline(
    wanted: TrialDefinition,
    laid: Timeline,
    fact: Fact,
    scales: Iterable[CompiledFact],
    sorted_record: SortedRecord,
    lanes: tuple[EventLane, ...],
    not_drawn: tuple[str, ...],
) -> MedicationHistory | None:
    bars = [_bar(spell, fact, wanted) for spell in (*laid.earlier, *laid.spells)]
    bars = sorted(bars, key=lambda bar: (bar.runs[0].first or date.min, bar.name))
    beside = _beside(laid, wanted, sorted_record)
    if not bars and not beside:
        return None
    left_out = max(0, len(bars) - MOST_BARS)
    bars = bars[left_out:] + beside[:MOST_BARS]
    today = sorted_record.today
    begins = laid.begins.earliest if laid.begins.earliest > date.min else None
    found = [_course(scale, sorted_record, begins or date.min, wanted.no_response.fall) for scale in scales]
    courses = tuple(course for course in found if course.points)
    days = [run.first for bar in bars for run in bar.runs if run.first is not None]
    days += [run.last for bar in bars for run in bar.runs]
    days += [point.day for course in courses for point in course.points]
    days += [event.first for lane in lanes for event in lane.events]
    return MedicationHistory(
        label=wanted.label,
        first=min(days),
        last=today,
        begins=begins,
        days=wanted.adequate_days,
        bars=tuple(bars),
        courses=courses,
        because=fact.because,
        left_out=left_out,
        lanes=lanes,
        not_drawn=not_drawn,
    )


def _bar(spell: TreatmentEpisode, fact: Fact, wanted: TrialDefinition) -> DrugBar:
    first = spell.runs[0].first if spell.runs else None
    trial = next(
        (
            trial
            for trial in fact.trials
            if trial.ingredient == spell.key and trial.start is not None and trial.start.earliest.toordinal() == first
        ),
        None,
    )
    reached = day_reached(spell.parts, spell.minimum, wanted.adequate_days)
    return DrugBar(
        name=spell.key,
        runs=_runs(day_by_day(list(spell.stretches))),
        minimum=spell.minimum,
        trial=trial,
        reached=date.fromordinal(reached) if reached is not None else None,
    )


def _beside(laid: Timeline, wanted: TrialDefinition, sorted_record: SortedRecord) -> list[DrugBar]:
    table = sorted_record.codes.drugs[wanted.drugs]
    today, begins = sorted_record.today.toordinal(), laid.begins.earliest.toordinal()
    by_key: dict[str, list[Days]] = {}
    for key in sorted({recognised.drug.key for _, recognised in laid.taken.augmentations}):
        own = [(exposure, found) for exposure, found in laid.taken.augmentations if found.drug.key == key]
        by_key[key] = day_by_day(exposure_periods(own, today, begins))
    return [
        DrugBar(key, _runs(runs), table.drugs[key].minimum_mg_a_day.get("minimum"), beside=True)
        for key, runs in by_key.items()
        if runs
    ]


def _runs(days: Iterable[Days]) -> tuple[Run, ...]:
    return tuple(
        Run(
            first=date.fromordinal(run.first) if run.first > EPOCH else None,
            last=date.fromordinal(run.last),
            sure=run.sure,
            low=run.low,
            high=run.high,
        )
        for run in days
    )


def _lanes_of(program: CompiledRuleset) -> dict[str, tuple[CompiledFact, str]]:
    facts = {wanted.name: wanted for wanted in program.wanted}
    return {
        name: (facts[name], words)
        for name, words in program.lanes.items()
        if name in facts and name not in program.copies
    }


def _event_lanes(program: CompiledRuleset, decision: Decision, sorted_record: SortedRecord) -> tuple[EventLane, ...]:
    compiled = {wanted.name: wanted for wanted in program.wanted}
    lanes = _lanes_of(program)
    read_by_lanes = {name for fact, _ in lanes.values() for name in fact.needs()} & compiled.keys()
    scores: dict[str, Sequence[ConvertedMeasurement]] = {
        name: [one for one in compiled[name].course(sorted_record) if one.final] for name in read_by_lanes
    }
    context = EvaluationContext(sorted_record, decision.today, compiled, dict(decision.facts.by_name), scores)
    made = [EventLane(words, tuple(fact.happened(context))[-MOST_EVENTS:]) for fact, words in lanes.values()]
    return tuple(lane for lane in made if lane.events)


def _not_drawn(program: CompiledRuleset, decision: Decision) -> Iterator[str]:
    """What a lane cannot show: data that did not come or were not read, and entries without a day."""
    for name, (_, words) in _lanes_of(program).items():
        fact = decision.facts[name]
        undated = sum(not one.when for one in fact.found)
        if undated:
            yield say("{lane}: {number} recorded without a day", lane=words, number=undated)
        if fact.why_unknown in NOT_SEEN and (fact.truth is Truth.UNKNOWN or fact.high == inf):
            yield say("{lane}: {because}", lane=words, because=fact.because)


def _course(scale: CompiledFact, sorted_record: SortedRecord, begins: date, fall: float) -> ScoreCourse:
    points = [
        Point(one.when.latest, one.low, one.high, one.source)
        for one in scale.course(sorted_record)
        if one.final and one.when is not None and one.low is not None and one.high is not None
    ][-MOST_POINTS:]
    lowest, highest = scale.scale() or (
        min((point.low for point in points), default=0.0),
        max((point.high for point in points), default=0.0),
    )
    first = next((point for point in points if point.day >= begins and point.low == point.high), None)
    target = Target(first.high * (1 - fall / 100), first) if first is not None and first.high > 0 else None
    return ScoreCourse(scale.label, lowest, highest, tuple(points), tuple(scale.bands()), target)
