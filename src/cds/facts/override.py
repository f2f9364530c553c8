"""Answers to earlier cards → whether one was given for some reasons in the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import DataQuery
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.kind import STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Span
from cds.yaml_source.fields import Slug


class OverrideFact(FactBase):
    """An answer to an earlier card, where the service keeps them."""

    role: ClassVar[str] = STATEMENT
    find: Literal["override"]
    topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,100}$")]
    reasons: Annotated[list[Slug], Field(min_length=1)]

    def compile(self, name: str, numbers: Numbers) -> CompiledOverride:
        """The fact with every number in place."""
        return CompiledOverride(**self.common(name, numbers), topic=self.topic, reasons=frozenset(self.reasons))


@dataclass(frozen=True, slots=True)
class CompiledOverride(CompiledFact):
    """
    An answer to an earlier card.

    Attributes:
        topic: Code of the card's topic.
        reasons: Codes of override reasons.
    """

    reads_overrides: ClassVar[bool] = True
    topic: str
    reasons: frozenset[str]

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_override`."""
        return find_override(self, context.sorted_record)


def find_override(wanted: CompiledOverride, sorted_record: SortedRecord) -> Fact:
    """
    Say whether a card on the subject was overridden for one of the reasons in the window.

    FALSE where no answers to earlier cards are kept: then nobody said anything we know of. UNKNOWN where they are kept
    and could not be looked up.
    """
    looked_up = sorted_record.record.overrides_sent
    if looked_up.state is not DeliveryState.WHOLE:
        return Fact(
            wanted.name, wanted.label, truth=Truth.UNKNOWN, because=looked_up.because, why_unknown=WhyUnknown.NOT_SENT
        )
    overrides = sorted_record.record.overrides
    if overrides is None:
        because = say("answers to earlier cards are not kept here")
        return Fact(wanted.name, wanted.label, truth=Truth.FALSE, text=say("not recorded"), because=because)
    matching = [
        override
        for override in overrides
        if override.topic == wanted.topic
        and override.reason in wanted.reasons
        and in_window(Span(override.day, override.day), sorted_record.today, wanted.look_back_days) is Truth.TRUE
    ]
    day = max((override.day for override in matching), default=None)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(day is not None),
        text=say("recorded") if day else say("not recorded"),
        because=say("answered on {day}", day=day) if day else say("no such answer is kept"),
        day=Span(day, day) if day else None,
    )
