"""Encounters → a stay or visit of some class was, was not, or is unknown; and from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import ENCOUNTERS, DataQuery
from cds.facts.fact import DrawnEvent
from cds.facts.kind import EvaluationContext, Numbers
from cds.facts.presence import CompiledPresence, Match, NotTold, PresenceFact, not_told, weigh
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, Span, Visit

UNDER_WAY = frozenset({"in-progress", "onleave", "on-hold"})
TAKEN_PLACE = UNDER_WAY | {"arrived", "triaged", "finished", "discharged", "completed", "discontinued"}
"""FHIR R4 and R5 encounter-status; any other code does not say that it took place."""
NOT_TOLD = NotTold(
    counted("{number} encounter not read, may be it", "{number} encounters not read, may be it", 1),
    counted("{number} encounter could not be read", "{number} encounters could not be read", 1),
)


class EncounterFact(PresenceFact):
    """An encounter of some class or type, such as an inpatient stay, that took place."""

    find: Literal["encounter"]

    def compile(self, name: str, numbers: Numbers) -> CompiledEncounter:
        """The fact with every number in place."""
        return CompiledEncounter(**self.common(name, numbers))


@dataclass(frozen=True, slots=True)
class CompiledEncounter(CompiledPresence):
    """An encounter of one of some classes or types that took place or goes on; its window looks at its last day."""

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (ENCOUNTERS,)

    def entry(self) -> None:
        """None."""

    def visited(self) -> tuple[str, ...]:
        """Value sets of the encounters whose days it asks for."""
        return self.looked_for

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:
        """
        Encounters that have a day, oldest first, without those that are part of another that is drawn.

        One whose end is not recorded is drawn up to today while it goes on, and else on its first day, as not certain.
        """
        record = context.sorted_record
        found = [(visit, by_code) for visit, by_code, _ in _of_class(self, record) if _first(visit) is not None]
        drawn = {visit.source for visit, _ in found}
        return [_drawn(visit, record, by_code=by_code) for visit, by_code in found if visit.part_of not in drawn]

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _encounters(self, record)

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("Encounter")


def _first(visit: Visit) -> Span | None:
    return visit.start or visit.end


def _of_class(wanted: CompiledEncounter, record: SortedRecord) -> Iterator[tuple[Visit, bool, bool]]:
    """Those that began by today and are of a wanted class: with whether a code says so, and whether only possibly."""
    coded, possible = set(wanted.coded), set(wanted.possibly_coded)
    for visit in record.record.visits:
        first = _first(visit)
        if first is not None and first.earliest > record.today:
            continue
        by_code = frozenset[str]().union(*(record.codes.sets_of(concept) for concept in visit.place))
        named = frozenset[str]().union(*(record.codes.sets_named(concept) for concept in visit.place))
        if by_code & coded:
            yield visit, True, False
        elif named & coded:
            yield visit, False, False
        elif (by_code | named) & possible:
            yield visit, bool(by_code & possible), True


def _encounters(wanted: CompiledEncounter, record: SortedRecord) -> Iterator[Match]:
    told = set()
    for visit, by_code, possibly in _of_class(wanted, record):
        told.add(visit.source)
        last = _last(visit, record)
        window = in_window(last, record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None
        truth, why = weigh(
            (
                say("a code that says it may be so") if possibly else "",
                "" if by_code else say("named in words only"),
                say("its date is not precise enough") if window is Truth.UNKNOWN else "",
                say("recorded without a date") if undated else "",
                "" if visit.status in TAKEN_PLACE else say("its status is not known"),
            )
        )
        yield Match(truth, visit.source, _words(visit, record), _first(visit), why)
    for visit in record.record.visits:
        if visit.source in told or record.codes.places_elsewhere(visit.place, frozenset(wanted.looked_for)):
            continue
        first = _first(visit)
        if first is not None and first.earliest > record.today:
            continue
        if in_window(_last(visit, record), record.today, wanted.look_back_days) is not Truth.FALSE:
            yield not_told(visit, _words(visit, record), first, NOT_TOLD)


def _last(visit: Visit, record: SortedRecord) -> Span | None:
    if visit.end is None and visit.start is not None and visit.status in UNDER_WAY:
        return Span(record.today, record.today)
    return visit.end or visit.start


def _words(visit: Visit, record: SortedRecord) -> str:
    return join_texts(", ", dict.fromkeys(record.codes.words_for(concept) for concept in visit.place))


def _drawn(visit: Visit, record: SortedRecord, *, by_code: bool) -> DrawnEvent:
    first, last = _first(visit), _last(visit, record)
    assert first is not None  # noqa: S101 (only those with a day)
    assert last is not None  # noqa: S101 (likewise)
    open_end = visit.end is None and visit.status not in UNDER_WAY
    says = [_words(visit, record), *([say("its end is not recorded")] if open_end else [])]
    sure = by_code and first.exact and last.exact and not open_end and visit.status in TAKEN_PLACE
    day = first.earliest
    return DrawnEvent(day, max(day, min(last.latest, record.today)), join_texts("; ", says), sure, visit.source)
