"""Trials → whether one is under way at dose, and the day on which it will have been taken long enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, Trial, WhyUnknown
from cds.facts.kind import STATEMENT, TRIALS, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.trials.definition import TrialDefinition
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth, every
from cds.record.model import Span
from cds.yaml_source.fields import Refers, Snake


class AdequateDayFact(FactBase):
    """Whether a trial that goes on is at dose and not yet long enough; `when(…)` gives the day it will be."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "It is about trials that go on: bound them with `in_episode`."
    find: Literal["adequate_day"]
    of: Annotated[Snake, Refers(TRIALS)]

    def compile(self, name: str, numbers: Numbers) -> CompiledAdequateDay:
        """The fact with every number in place."""
        return CompiledAdequateDay(**self.common(name, numbers), trials=self.of)


@dataclass(frozen=True, slots=True)
class CompiledAdequateDay(CompiledFact):
    """
    The day on which a trial under way will have been taken long enough.

    Attributes:
        trials: Name of the trials fact.
    """

    trials: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.trials,)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `adequate_day`."""
        trials = context.compiled[self.trials]
        if not isinstance(trials, TrialDefinition):
            raise TypeError(f"{self.trials} is no trials fact")  # `cds check` refuses it
        return adequate_day(self, context.facts[self.trials], trials.adequate_days, context.today)


def adequate_day(wanted: CompiledAdequateDay, trials: Fact, adequate_days: int, today: date) -> Fact:
    """
    Whether a trial is under way: it goes on, at its minimum dose, and not yet for so many days at dose.

    Its day is the first on which one of them will have been; a range where the days at dose are one. Unknown when no
    trial surely is and one may be, or when medications did not arrive whole.
    """
    rated = [
        (trial, every((trial.dose_adequate, ~trial.held, ~trial.long_enough)))
        for trial in trials.trials
        if trial.ongoing
    ]
    sure = [trial for trial, truth in rated if truth is Truth.TRUE]
    if sure:
        first = min(sure, key=lambda trial: _left(trial, adequate_days)[::-1])
        low, high = _left(first, adequate_days)
        span = Span(today + timedelta(days=low), today + timedelta(days=high))
        return _fact(
            wanted, Truth.TRUE, counted("{number} day at dose", "{number} days at dose", adequate_days), sure, span
        )
    possible = [trial for trial, truth in rated if truth is Truth.UNKNOWN]
    if possible:
        because = join_texts(
            "; ",
            (
                join_texts(": ", [trial.name, join_texts("; ", trial.notes) or say("dose or days unknown")])
                for trial in possible
            ),
        )
        return _fact(wanted, Truth.UNKNOWN, because, possible, None, WhyUnknown.IMPRECISE)
    if trials.why_unknown is not None:
        return _fact(wanted, Truth.UNKNOWN, trials.because, [], None, trials.why_unknown)
    return _fact(wanted, Truth.FALSE, say("no trial at dose goes on that is still too short"), [], None)


def _left(trial: Trial, adequate_days: int) -> tuple[int, int]:
    """Days that are left, from today on: at the least and at the most."""
    surely, possibly = trial.days_at_dose
    return max(0, adequate_days - possibly), max(0, adequate_days - surely)


def _fact(
    wanted: CompiledAdequateDay,
    truth: Truth,
    because: str,
    trials: list[Trial],
    day: Span | None,
    why: WhyUnknown | None = None,
) -> Fact:
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text={Truth.TRUE: say("under way"), Truth.FALSE: say("none"), Truth.UNKNOWN: ""}[truth],
        because=because,
        why_unknown=why,
        missing=tuple(what for trial in trials for what in trial.missing) if truth is Truth.UNKNOWN else (),
        day=day,
        found=tuple(
            FactSource(source, trial.name, say("since {start}", start=trial.start.text) if trial.start else "")
            for trial in trials
            for source in trial.sources[:1]
        ),
    )
