"""Drug histories + diagnoses → the first day on which a definition is met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import SortedRecord
from cds.facts.data import DataQuery, conditions
from cds.facts.diagnosis_count import entries_of
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.history.eras import Eras, eras
from cds.facts.history.index_day import EarlierDrugs, Entry, Route, first_day
from cds.facts.kind import HISTORY, STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import Span
from cds.yaml_source.fields import Duration, InUnit, Names, NumberOrName, Refers, Snake, Strict, listed


class EarlierDrugsSpec(Strict):
    """How many different drugs must have been taken by a day."""

    history: Annotated[Snake, Refers(HISTORY)]
    drugs: Annotated[NumberOrName, InUnit("drugs")]
    started: Literal["before", "by_that_day"]
    ended_within: Annotated[
        Duration | None, Field(description="What ended longer than this before the day does not count.")
    ] = None
    longer_than: Annotated[
        Duration | None, Field(description="What lasted no longer than this up to the day before does not count.")
    ] = None
    by_dose: Annotated[bool, Field(description="Eras of one dose; a drug without a dose only may count.")] = False

    def compile(self, numbers: Numbers) -> DrugsBefore:
        """The same with every number in place."""
        return DrugsBefore(
            history=self.history,
            drugs=int(numbers.number(self.drugs)),
            by_that_day=self.started == "by_that_day",
            ended_within_days=numbers.days(self.ended_within) if self.ended_within else None,
            longer_than_days=numbers.days(self.longer_than) if self.longer_than else None,
            by_dose=self.by_dose,
        )


class RouteSpec(Strict):
    """One way to meet a definition: an era of one of these drugs begins after so many others."""

    begins: Annotated[Snake, Refers(HISTORY)]
    longer_than: Annotated[
        Duration | None, Field(description="The era that begins lasts longer than this, unless it is a procedure.")
    ] = None
    after: Annotated[list[EarlierDrugsSpec], Field(min_length=1)]


class IndexDayFact(FactBase):
    """
    Whether there is a day on which a definition is met, and the first such day.

    Days on one drug are joined to eras. On the day an era begins by one of the routes; a diagnosis lies on it or so
    many days before, without `diagnosed_within` at any time before; and nothing that rules it out was recorded up to
    then. What is of the sets named `…_except` is neither a diagnosis nor rules anything out.
    """

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "Write `diagnosed_within` and `ended_within`."
    find: Literal["index_day"]
    joins_gaps_up_to: Duration
    routes: Annotated[list[RouteSpec], Field(min_length=1)]
    diagnosed: Names | None = None
    diagnosed_except: Names | None = None
    diagnosed_within: Duration | None = None
    never_before: Names | None = None
    never_before_except: Names | None = None

    def compile(self, name: str, numbers: Numbers) -> CompiledIndexDay:
        """The fact with every number in place."""
        return CompiledIndexDay(
            **self.common(name, numbers),
            joins_gaps_days=numbers.days(self.joins_gaps_up_to),
            routes=tuple(
                EraRoute(
                    route.begins,
                    numbers.days(route.longer_than) if route.longer_than else None,
                    tuple(after.compile(numbers) for after in route.after),
                )
                for route in self.routes
            ),
            diagnosed=listed(self.diagnosed),
            diagnosed_except=listed(self.diagnosed_except),
            diagnosed_within_days=numbers.days(self.diagnosed_within) if self.diagnosed_within else None,
            never_before=listed(self.never_before),
            never_before_except=listed(self.never_before_except),
        )


@dataclass(frozen=True, slots=True)
class DrugsBefore:
    """How many different drugs of a history must have been taken by a day."""

    history: str
    drugs: int
    by_that_day: bool
    ended_within_days: int | None
    longer_than_days: int | None
    by_dose: bool


@dataclass(frozen=True, slots=True)
class EraRoute:
    """One way to meet a definition: an era begins, longer than so many days if asked, after so many drugs."""

    begins: str
    longer_than_days: int | None
    after: tuple[DrugsBefore, ...]


@dataclass(frozen=True, slots=True)
class CompiledIndexDay(CompiledFact):
    """
    The first day on which a definition is met.

    Attributes:
        joins_gaps_days: Gaps up to this join two days on a drug to one era.
        routes: One of them.
        diagnosed, diagnosed_except: Value sets of a diagnosis that is needed, and of what is none; empty for none.
        diagnosed_within_days: So many days before; None at any time before.
        never_before, never_before_except: Value sets of what rules it out up to and on the day, and of what does not.
    """

    joins_gaps_days: int
    routes: tuple[EraRoute, ...]
    diagnosed: tuple[str, ...]
    diagnosed_except: tuple[str, ...]
    diagnosed_within_days: int | None
    never_before: tuple[str, ...]
    never_before_except: tuple[str, ...]

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(name for way in self.routes for name in (way.begins, *(one.history for one in way.after)))

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        # Diagnoses of published definitions do not decide how an entry is read for a card, so none is looked for.
        return (conditions(()),) if self.diagnosed or self.never_before else ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_index_day`."""
        return find_index_day(self, context.facts, context.sorted_record)


def find_index_day(wanted: CompiledIndexDay, facts: Mapping[str, Fact], sorted_record: SortedRecord) -> Fact:
    """
    Whether there is a day on which the definition is met, with the first such day where that is certain.

    Unknown when medications did not come whole: what is missing can begin, join or lengthen an era.
    """
    histories = {name for way in wanted.routes for name in (way.begins, *(one.history for one in way.after))}
    in_part = next((facts[name] for name in sorted(histories) if facts[name].high == inf), None)
    if in_part is not None:
        return _fact(wanted, Truth.UNKNOWN, in_part.because, why=in_part.why_unknown)

    def of(name: str, *, by_dose: bool = False) -> Eras:
        return eras(facts[name].issues, wanted.joins_gaps_days, by_dose=by_dose)

    def earlier(spec: DrugsBefore) -> EarlierDrugs:
        found = of(spec.history, by_dose=spec.by_dose)
        return EarlierDrugs(found, spec.drugs, spec.by_that_day, spec.ended_within_days, spec.longer_than_days)

    today = sorted_record.today
    diagnosed = (
        entries_of(wanted.diagnosed, sorted_record, wanted.diagnosed_except).dated(today) if wanted.diagnosed else None
    )
    entry = Entry(
        routes=tuple(
            Route(of(way.begins), tuple(earlier(one) for one in way.after), way.longer_than_days)
            for way in wanted.routes
        ),
        diagnosis=diagnosed,
        within=wanted.diagnosed_within_days,
        unless=(
            (entries_of(wanted.never_before, sorted_record, wanted.never_before_except).dated(today),)
            if wanted.never_before
            else ()
        ),
    )
    answer = first_day(entry, today.toordinal())
    if answer.truth is not Truth.TRUE:
        because = (
            say("no such day")
            if answer.truth is Truth.FALSE
            else say("whether there is such a day cannot be determined")
        )
        return _fact(wanted, answer.truth, because, why=WhyUnknown.POSSIBLE)
    if answer.day is None:
        return _fact(wanted, answer.truth, say("there is such a day; the first one cannot be determined"))
    begun = tuple(
        FactSource(issue.source, issue.drug, date.fromordinal(answer.day).isoformat())
        for name in sorted({way.begins for way in wanted.routes})
        for issue in facts[name].issues
        if issue.first == (answer.day, answer.day)
    )
    return _fact(wanted, answer.truth, say("first met on this day"), date.fromordinal(answer.day), begun)


def _fact(
    wanted: CompiledIndexDay,
    truth: Truth,
    because: str,
    day: date | None = None,
    found: tuple[FactSource, ...] = (),
    *,
    why: WhyUnknown | None = None,
) -> Fact:
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text={Truth.TRUE: say("met"), Truth.FALSE: say("not met"), Truth.UNKNOWN: ""}[truth],
        because=because,
        why_unknown=why if truth is Truth.UNKNOWN else None,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        day=Span(day, day) if day else None,
        found=tuple(dict.fromkeys(found)),
    )
