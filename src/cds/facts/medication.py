"""Medications by ingredient → taken now or in the window, not taken, or unknown."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import DataQuery, medications
from cds.facts.kind import Numbers
from cds.facts.presence import (
    CompiledPresence,
    Match,
    NotTold,
    PresenceFact,
    answered_by_the_unplaced,
    could_be_anything,
    hits,
    may_be_there,
    not_told,
    weigh,
)
from cds.locale.sentence import counted, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, Exposure, Span

NOT_TOLD = NotTold(
    counted("{number} medication not read, may be it", "{number} medications not read, may be it", 1),
    counted("{number} medication could not be read", "{number} medications could not be read", 1),
)


class MedicationFact(PresenceFact):
    """A medication by ingredient, taken now or in the window."""

    find: Literal["medication"]
    current: bool = False

    def compile(self, name: str, numbers: Numbers) -> CompiledMedication:
        """The fact with every number in place."""
        return CompiledMedication(**self.common(name, numbers), current=self.current)


@dataclass(frozen=True, slots=True)
class CompiledMedication(CompiledPresence):
    """A medication by ingredient: taken now (`current`) or at any time in the window."""

    current: bool

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return medications((*self.coded, *self.possibly_coded))

    def entry(self) -> None:
        """None."""

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _medications(self, record) if may_be_there(self, record, Exposure, record.exposures) else ()

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.medications_sent

    def alike(self, record: SortedRecord) -> Hashable:
        """What decides whether an entry that may be anything counts; None where other entries count as well."""
        if not answered_by_the_unplaced(self, record, Exposure, record.exposures):
            return None
        return Exposure, self.current, self.look_back_days


def _medications(wanted: CompiledMedication, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in hits(wanted, sorted_record.exposures):
        entry = hit.entry
        assert isinstance(entry, Exposure)  # noqa: S101 (sorted by kind)
        taken = taken_in_window(entry, wanted, sorted_record)
        if taken is Truth.FALSE:
            continue
        truth, why = weigh(
            (
                say("a code that says it may be so") if possibly else "",
                say("words that only suggest it") if hit.suggested else "",
                say("it is not recorded whether it was taken then") if taken is Truth.UNKNOWN else "",
            )
        )
        yield Match(truth, entry.source, entry.drug.words, entry.start, why)
    for entry, words in could_be_anything(wanted.looked_for, sorted_record, Exposure, sorted_record.exposures):
        if taken_in_window(entry, wanted, sorted_record) is not Truth.FALSE:
            yield not_told(entry, words, entry.start, NOT_TOLD)


def last_taken(entry: Exposure, today: date) -> Span | None:
    """
    When a drug was last taken, as far as one entry tells: today if it goes on, else its end, else its start.

    Where nothing says whether it goes on (no status that is understood, a plan), any day since its start; None without
    any day.
    """
    if entry.open_ended:
        return Span(today, today)
    if entry.doubtful and entry.end is None and entry.start is not None and entry.start.earliest <= today:
        return Span(entry.start.earliest, today)
    return entry.end or entry.start


def taken_in_window(entry: Exposure, wanted: CompiledMedication, sorted_record: SortedRecord) -> Truth:
    """Say whether a drug is taken today (`current`) or was taken at some time in the window."""
    today = sorted_record.today
    if entry.start is not None and entry.start.earliest > today:
        return Truth.FALSE
    if wanted.current:
        if entry.open_ended:
            return Truth.UNKNOWN if entry.doubtful else Truth.TRUE
        if entry.end is None:
            return Truth.UNKNOWN if entry.doubtful else Truth.of(False)
        if entry.end.latest < today:
            return Truth.FALSE
        return Truth.TRUE if entry.end.earliest >= today and not entry.doubtful else Truth.UNKNOWN
    last = last_taken(entry, today)
    window = in_window(last, today, wanted.look_back_days)
    if window is Truth.FALSE and last is not None and last.latest > today:
        window = Truth.TRUE
    if window is None:
        return Truth.UNKNOWN if wanted.look_back_days is not None or entry.doubtful else Truth.TRUE
    return Truth.UNKNOWN if entry.doubtful and window is Truth.TRUE else window
