"""Procedures and administrations → on how many days a treatment was given, surely and possibly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import SortedRecord, ValueSetMatch, in_window
from cds.facts.data import ADMINISTRATIONS, PROCEDURES, DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
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

    def answer(self, context: EvaluationContext) -> Fact:
        """As `sessions`."""
        return sessions(self, context.sorted_record)


DONE = frozenset({"completed", "in-progress"})  # FHIR R4 event-status


def sessions(wanted: CompiledSessions, sorted_record: SortedRecord) -> Fact:
    """
    How many different days, as a range.

    An entry on an exact day, with a code, is one session; several on one day are one. An entry that spans several days
    (a course written once) is one to all of them; one without a date, with words instead of a code, or of unknown
    status is none or one. When the data did not come whole there is no upper end.
    """
    sure: set[int] = set()
    possible: set[int] = set()
    more = 0
    found = []
    for hit, when, certain in _entries(wanted, sorted_record):
        window = in_window(when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        found.append(FactSource(hit.entry.source, "", when.text if when else ""))
        if when is None:
            more += 1
        elif when.exact:
            (sure if certain and window is Truth.TRUE else possible).add(when.earliest.toordinal())
        else:
            last = min(when.latest, sorted_record.today).toordinal()
            possible.update(range(when.earliest.toordinal(), last + 1))
            if certain and window is Truth.TRUE and not sure & set(range(when.earliest.toordinal(), last + 1)):
                sure.add(last)
    unsent = [sent for sent in _sent(wanted, sorted_record) if sent.state is not DeliveryState.WHOLE]
    low, high = float(len(sure)), math.inf if unsent else float(len(sure | possible) + more)
    why = WhyUnknown.NOT_SENT if unsent else WhyUnknown.IMPRECISE if low != high else None
    because = unsent[0].because if unsent else "counted by day" if found else "none recorded"
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit="sessions",
        text=range_text(low, high) or "an unknown number",
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if why is not None else (),
        found=tuple(found),
    )


def _sent(wanted: CompiledSessions, sorted_record: SortedRecord) -> Iterator[Delivery]:
    record = sorted_record.record
    if wanted.procedures:
        yield record.how_sent("Procedure")
    if wanted.administrations:
        yield record.how_sent("MedicationAdministration")


def _entries(
    wanted: CompiledSessions, sorted_record: SortedRecord
) -> Iterator[tuple[ValueSetMatch, Span | None, bool]]:
    """Entries of the treatment, each once: with its day and whether it was surely given."""
    seen: set[int] = set()
    for name in wanted.coded:
        for hit in (*sorted_record.interventions.get(name, ()), *sorted_record.exposures.get(name, ())):
            entry = hit.entry
            if id(entry) in seen:
                continue
            seen.add(id(entry))
            match entry:
                case Intervention() if wanted.procedures:
                    yield hit, entry.when, entry.status in DONE and not hit.by_name
                case Exposure() if wanted.administrations and entry.kind is ExposureKind.ADMINISTRATION:
                    yield hit, entry.start, not entry.doubtful and not hit.by_name
