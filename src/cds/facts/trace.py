"""Facts not known for certain → whether the record holds an entry that may be one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from cds.facts.data import DataQuery
from cds.facts.fact import Fact
from cds.facts.kind import STATEMENT, TRACED, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import join_texts, say
from cds.logic.truth import KNOWN, Truth
from cds.yaml_source.fields import Refers, Snake, listed


class TraceFact(FactBase):
    """
    Whether the record holds an entry that may be one of these facts, while it is not known for certain.

    An entry without a date, not final, not confirmed, in words only, or with a value that cannot be read is a trace;
    that nothing was sent or found is none, nor is a number that says the lowest value that can be true.
    """

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "The facts it is a trace of have the windows: remove it."
    told_by: ClassVar[str] = "trace_of"
    says: ClassVar[str] = "a trace"
    trace_of: Annotated[
        list[Snake] | Snake, Refers(TRACED), Field(description="Facts that are true or false, or measured numbers.")
    ]

    def truths(self) -> frozenset[Truth]:
        """True or false, never unknown."""
        return KNOWN

    def compile(self, name: str, numbers: Numbers) -> CompiledTrace:
        """The fact with every number in place."""
        return CompiledTrace(**self.common(name, numbers), of=listed(self.trace_of))


@dataclass(frozen=True, slots=True)
class CompiledTrace(CompiledFact):
    """
    Whether some entry may be one of several facts that are not known for certain.

    Attributes:
        of: Names of the facts.
    """

    of: tuple[str, ...]

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return self.of

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `trace`."""
        return trace(self, [context.facts[name] for name in self.of])


def trace(wanted: CompiledTrace, traced: Sequence[Fact]) -> Fact:
    """Whether an entry may be one of the facts while it is not known for certain; never unknown itself."""
    open_facts = [fact for fact in traced if fact.trace]
    reasons = join_texts("; ", (join_texts(": ", [fact.label, fact.because]) for fact in open_facts))
    found = dict.fromkeys(found for fact in open_facts for found in fact.found)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(bool(open_facts)),
        text=say("found") if open_facts else say("not found"),
        because=reasons or say("no such entry was found"),
        found=tuple(found),
    )
