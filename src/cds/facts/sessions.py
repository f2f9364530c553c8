"""Procedures and administrations → on how many days a treatment was given, surely and possibly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import ADMINISTRATIONS, PROCEDURES, DataQuery
from cds.facts.fact import DrawnEvent, Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.facts.presence import could_be_anything
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Intervention, Span
from cds.yaml_source.fields import Names, listed


class SessionsFact(FactBase):
    """On how many days a treatment was given."""

    role: ClassVar[str] = NUMBER
    find: Literal["sessions"]
    coded: Names
    recorded_as: Annotated[list[Literal["procedure", "administration"]], Field(min_length=1)] = ["procedure"]
    unit: Literal["sessions"]

    def compile(self, name: str, numbers: Numbers) -> CompiledSessions:
        """The fact with every number in place."""
        return CompiledSessions(
            **self.common(name, numbers),
            coded=listed(self.coded),
            procedures="procedure" in self.recorded_as,
            administrations="administration" in self.recorded_as,
        )


@dataclass(frozen=True, slots=True)
class CompiledSessions(CompiledFact):
    """
    On how many days a treatment was given.

    Attributes:
        coded: Value sets of the treatment.
        procedures, administrations: Which resources show it.
    """

    coded: tuple[str, ...]
    procedures: bool
    administrations: bool

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (PROCEDURES,) * self.procedures + (ADMINISTRATIONS,) * self.administrations

    def entry(self) -> None:
        """None."""

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:
        """Its procedures that have a day, as `drawn_procedures`."""
        return drawn_procedures(self.coded, context.sorted_record)

    def answer(self, context: EvaluationContext) -> Fact:
        """As `sessions`."""
        return sessions(self, context.sorted_record)


def drawn_procedures(coded: Sequence[str], record: SortedRecord) -> list[DrawnEvent]:
    """Procedures of some value sets up to today, those without a day left out, oldest first."""
    found = {
        (entry.when.earliest, entry.source): DrawnEvent(
            entry.when.earliest,
            min(entry.when.latest, record.today),
            record.codes.words_for(entry.concept),
            entry.status in DONE and entry.when.exact and not hit.by_name,
            entry.source,
        )
        for name in coded
        for hit in record.interventions.get(name, ())
        if isinstance(entry := hit.entry, Intervention) and entry.when and entry.when.earliest <= record.today
    }
    return [found[key] for key in sorted(found)]


DONE = frozenset({"completed", "in-progress"})  # FHIR R4 event-status


def sessions(wanted: CompiledSessions, sorted_record: SortedRecord) -> Fact:
    """
    How many different days, as a range.

    An entry on an exact day, with a code, is one session; several on one day are one. An entry that spans several days
    (a course written once) is one to all of them; one without a date, with words instead of a code, of unknown status,
    or that was not read is none or one. When the data did not come whole there is no upper end.
    """
    found = []
    days: list[tuple[Span | None, bool]] = []
    for entry, when, certain in _entries(wanted, sorted_record):
        window = in_window(when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        found.append(FactSource(entry.source, "", when.text if when else ""))
        days.append((when, certain and window is Truth.TRUE))
    fewest, most = days_counted(days, sorted_record.today)
    unsent = [sent for sent in _sent(wanted, sorted_record) if sent.state is not DeliveryState.WHOLE]
    low, high = float(fewest), math.inf if unsent else float(most)
    why = WhyUnknown.NOT_SENT if unsent else WhyUnknown.IMPRECISE if low != high else None
    because = unsent[0].because if unsent else say("counted by day") if found else say("none recorded")
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit="sessions",
        text=range_text(low, high) or say("an unknown number"),
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if why is not None else (),
        found=tuple(found),
    )


def days_counted(given: Iterable[tuple[Span | None, bool]], today: date) -> tuple[int, int]:
    """
    On how many different days up to today something was given, at least and at most.

    Args:
        given: For each entry its day, and whether it was surely given then.
        today: The last day that counts.
    """
    sure: set[int] = set()
    possible: set[int] = set()
    more = 0
    for when, certain in given:
        if when is None:
            more += 1
        elif when.exact:
            (sure if certain else possible).add(when.earliest.toordinal())
        else:
            days = range(when.earliest.toordinal(), min(when.latest, today).toordinal() + 1)
            possible.update(days)
            if certain and not sure & set(days):
                sure.add(days[-1])
    return len(sure), len(sure | possible) + more


def _sent(wanted: CompiledSessions, sorted_record: SortedRecord) -> Iterator[Delivery]:
    record = sorted_record.record
    if wanted.procedures:
        yield record.how_sent("Procedure")
    if wanted.administrations:
        yield record.how_sent("MedicationAdministration")


def _entries(
    wanted: CompiledSessions, sorted_record: SortedRecord
) -> Iterator[tuple[Intervention | Exposure, Span | None, bool]]:
    """Entries that are or may be of the treatment, each once: with its day and whether it was surely given."""
    seen: set[int] = set()
    interventions, exposures = sorted_record.interventions, sorted_record.exposures
    said = [
        *(
            (hit.entry, not hit.by_name)
            for name in wanted.coded
            for hit in (*interventions.get(name, ()), *exposures.get(name, ()))
        ),
        *((e, False) for e, _ in could_be_anything(wanted.coded, sorted_record, Intervention, interventions)),
        *((e, False) for e, _ in could_be_anything(wanted.coded, sorted_record, Exposure, exposures)),
    ]
    for entry, coded in said:
        if id(entry) in seen:
            continue
        seen.add(id(entry))
        match entry:
            case Intervention() if wanted.procedures:
                yield entry, entry.when, entry.status in DONE and coded
            case Exposure() if wanted.administrations and entry.kind is ExposureKind.ADMINISTRATION:
                yield entry, entry.start, not entry.doubtful and coded
