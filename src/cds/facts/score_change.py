"""A score → by how much it rose since a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, SCORE, STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.yaml_source.fields import Refers, Snake, Text


class RiseFact(FactBase):
    """By how much a score rose since a day."""

    role: ClassVar[str] = NUMBER
    find: Literal["rise"]
    score: Annotated[Snake, Refers(SCORE)]
    since: Annotated[
        list[Snake], Refers(STATEMENT), Field(min_length=1, description="Facts with a day; the latest true one counts.")
    ]
    unit: Text

    def compile(self, name: str, numbers: Numbers) -> CompiledRise:
        """The fact with every number in place."""
        return CompiledRise(**self.common(name, numbers), score=self.score, since=tuple(self.since), unit=self.unit)


@dataclass(frozen=True, slots=True)
class CompiledRise(CompiledFact):
    """
    By how much a score rose since the day of the latest of some facts.

    Attributes:
        score: Name of the number fact.
        since: Names of facts that have a day.
        unit: The score's unit.
    """

    score: str
    since: tuple[str, ...]
    unit: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.score, *self.since)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_score_change`."""
        return find_score_change(
            self, [context.facts[name] for name in self.since], context.scores[self.score], context.today
        )


def find_score_change(
    wanted: CompiledRise, since: Sequence[Fact], scores: Sequence[ConvertedMeasurement], today: date
) -> Fact:
    """
    By how much the latest score stands above the last one up to the day of the latest of some facts.

    Unknown when none of them is true with a day, or when a score of before or after is not there.
    """
    days = [fact.day.latest for fact in since if fact.truth is Truth.TRUE and fact.day is not None]
    if not days:
        return _no_rise(wanted, say("nothing is recorded to count from"))
    day = max(days)
    known = [r for r in scores if r.low is not None and r.high is not None and r.when is not None]
    before = [r for r in known if r.when and r.when.latest <= day]
    after = [r for r in known if r.when and day < r.when.earliest and r.when.latest <= today]
    if not before or not after:
        return _no_rise(
            wanted, say("no score before {day}", day=day) if not before else say("no score after {day}", day=day)
        )
    first, last = before[-1], after[-1]
    low, high = (last.low or 0.0) - (first.high or 0.0), (last.high or 0.0) - (first.low or 0.0)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit=wanted.unit,
        text=f"{low:g}" if low == high else say("{low} to {high}", low=f"{low:g}", high=f"{high:g}"),
        because=say("the last score up to {day} and the latest after it", day=day),
        why_unknown=None if low == high else WhyUnknown.IMPRECISE,
        day=last.when,
        found=tuple(FactSource(r.source, f"{r.low:g}", r.when.text if r.when else "") for r in (first, last)),
    )


def _no_rise(wanted: CompiledRise, because: str) -> Fact:
    return Fact(wanted.name, wanted.label, unit=wanted.unit, because=because, why_unknown=WhyUnknown.NOT_FOUND)
