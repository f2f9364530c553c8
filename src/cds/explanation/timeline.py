"""Record + decision → when each drug was taken at which dose, with the scores on the same axis of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from cds.decide import Decision
from cds.facts.context import SortedRecord, sort_record
from cds.facts.fact import Fact, Trial
from cds.facts.kind import CompiledFact
from cds.facts.trials.definition import TrialDefinition, trial_definitions
from cds.facts.trials.exposure_periods import Days, day_by_day, exposure_periods
from cds.facts.trials.treatment_episodes import TreatmentEpisode, day_reached
from cds.facts.trials.trials import Timeline, TrialFinder
from cds.rulebook.program import CompiledRuleset


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
class ScoreCourse:
    """The scores of one scale, oldest first; `lowest` and `highest` are the ends of the scale."""

    label: str
    lowest: float
    highest: float
    points: tuple[Point, ...]


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


MOST_BARS = 60  # the newest ones; a chart with more repeats itself
MOST_POINTS = 200  # of one scale, the newest ones
EPOCH = date.min.toordinal() + 1  # days before it stand for "nobody knows since when"


def timelines(program: CompiledRuleset, decision: Decision) -> tuple[MedicationHistory, ...]:
    """One for each way the rules look for trials that finds any; empty when no drug was found."""
    sorted_record = sort_record(decision.record, program.codes, decision.today)
    finder = TrialFinder(sorted_record, {})
    facts = {wanted.name: wanted for wanted in program.wanted}
    made: list[MedicationHistory] = []
    for wanted in trial_definitions(program.wanted):
        if wanted.name not in program.copies:
            laid = finder.timeline(wanted, decision.facts.by_name.get(wanted.episode))
            fact = decision.facts[wanted.name]
            scales = [facts[by.score] for by in wanted.no_response.measured_by]
            timeline = _timeline(wanted, laid, fact, scales, sorted_record)
            if timeline is not None:
                made.append(timeline)
    return tuple(made)


def _timeline(
    wanted: TrialDefinition, laid: Timeline, fact: Fact, scales: Iterable[CompiledFact], sorted_record: SortedRecord
) -> MedicationHistory | None:
    bars = [_bar(spell, fact, wanted) for spell in (*laid.earlier, *laid.spells)]
    bars = sorted(bars, key=lambda bar: (bar.runs[0].first or date.min, bar.name))
    beside = _beside(laid, wanted, sorted_record)
    if not bars and not beside:
        return None
    left_out = max(0, len(bars) - MOST_BARS)
    bars = bars[left_out:] + beside[:MOST_BARS]
    courses = tuple(course for scale in scales if (course := _course(scale, sorted_record)).points)
    today = sorted_record.today
    begins = laid.begins.earliest if laid.begins.earliest > date.min else None
    days = [run.first for bar in bars for run in bar.runs if run.first is not None]
    days += [run.last for bar in bars for run in bar.runs]
    days += [point.day for course in courses for point in course.points]
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


def _course(scale: CompiledFact, sorted_record: SortedRecord) -> ScoreCourse:
    points = [
        Point(one.when.latest, one.low, one.high, one.source)
        for one in scale.course(sorted_record)
        if one.final and one.when is not None and one.low is not None and one.high is not None
    ][-MOST_POINTS:]
    lowest, highest = scale.scale() or (
        min((point.low for point in points), default=0.0),
        max((point.high for point in points), default=0.0),
    )
    return ScoreCourse(scale.label, lowest, highest, tuple(points))
