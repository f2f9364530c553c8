"""Procedures → done, not done, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import PROCEDURES, DataQuery
from cds.facts.fact import DrawnEvent
from cds.facts.kind import EvaluationContext, Numbers
from cds.facts.presence import CompiledPresence, Match, NotTold, PresenceFact, could_be_anything, hits, not_told, weigh
from cds.facts.sessions import drawn_procedures
from cds.locale.sentence import counted, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, Intervention

NOT_TOLD = NotTold(
    counted("{number} procedure not read, may be it", "{number} procedures not read, may be it", 1),
    counted("{number} procedure could not be read", "{number} procedures could not be read", 1),
)


class ProcedureFact(PresenceFact):
    """A procedure that was done."""

    find: Literal["procedure"]

    def compile(self, name: str, numbers: Numbers) -> CompiledProcedure:
        """The fact with every number in place."""
        return CompiledProcedure(**self.common(name, numbers))


@dataclass(frozen=True, slots=True)
class CompiledProcedure(CompiledPresence):
    """A Procedure that was done or is under way."""

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (PROCEDURES,)

    def entry(self) -> None:
        """None."""

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:
        """Its procedures that have a day, as `drawn_procedures`."""
        return drawn_procedures(self.looked_for, context.sorted_record)

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _procedures(self, record)

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("Procedure")


def _procedures(wanted: CompiledProcedure, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in hits(wanted, sorted_record.interventions):
        entry = hit.entry
        assert isinstance(entry, Intervention)  # noqa: S101 (sorted by kind)
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None
        truth, why = weigh(
            (
                say("a code that says it may be so") if possibly else "",
                say("words that only suggest it") if hit.suggested else "",
                say("its date is not precise enough") if window is Truth.UNKNOWN else "",
                say("recorded without a date") if undated else "",
                say("its status is not known") if entry.status not in {"completed", "in-progress"} else "",
            )
        )
        yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), entry.when, why)
    for entry, words in could_be_anything(wanted.looked_for, sorted_record, Intervention, sorted_record.interventions):
        if in_window(entry.when, sorted_record.today, wanted.look_back_days) is not Truth.FALSE:
            yield not_told(entry, words, entry.when, NOT_TOLD)
