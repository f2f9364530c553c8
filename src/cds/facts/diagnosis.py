"""Diagnoses (FHIR Condition) → recorded, not recorded, or unknown."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from cds.facts.chart_entry import ChartEntry
from cds.facts.context import SortedRecord, in_window
from cds.facts.data import DataQuery, conditions
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
    weak,
    weigh,
)
from cds.locale.sentence import counted, say
from cds.logic.truth import Truth
from cds.record.model import NOT_UNDERSTOOD, Delivery, Diagnosis, Span, Verification
from cds.yaml_source.fields import Duration, FhirCode, Slug

ClinicalStatus = Annotated[
    Slug, FhirCode(frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"}))
]

NOT_TOLD = NotTold(
    counted("{number} condition not read, may be it", "{number} conditions not read, may be it", 1),
    counted("{number} condition could not be read", "{number} conditions could not be read", 1),
)


class ConditionFact(PresenceFact):
    """A diagnosis (FHIR Condition)."""

    find: Literal["condition"]
    status: list[ClinicalStatus] | Literal["any", "active"] = "active"
    undated: Annotated[
        Literal["counts", "unknown"], Field(description="With `look_back`: what a match without a date is.")
    ] = "unknown"
    visit_diagnosis_within: Annotated[
        Duration | None,
        Field(
            description="The diagnosis of an older visit, without a status, is not known to be active; unset: it is."
        ),
    ] = None

    def other_status(self) -> str:
        """Any status for certain ones, the active ones for any."""
        return "active" if self.status == "any" else "any"

    def compile(self, name: str, numbers: Numbers) -> CompiledDiagnosis:
        """The fact with every number in place."""
        undated = Truth.TRUE if self.undated == "counts" else Truth.UNKNOWN
        return CompiledDiagnosis(
            **self.common(name, numbers),
            statuses=statuses(self.status),
            undated=undated,
            visit_days=numbers.days(self.visit_diagnosis_within) if self.visit_diagnosis_within else None,
        )


@dataclass(frozen=True, slots=True)
class CompiledDiagnosis(CompiledPresence):
    """
    A Condition.

    Attributes:
        statuses: clinicalStatus codes that count; None for any. A Condition without one counts as active.
        undated: What a match without a date is when there is a window: counts (TRUE) or UNKNOWN.
        visit_days: The diagnosis of an older visit, without a status, is not known to be active; None: it is.
    """

    statuses: frozenset[str] | None
    undated: Truth
    visit_days: int | None = None

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (conditions((*self.coded, *self.possibly_coded)),)

    def entry(self) -> ChartEntry | None:
        """A diagnosis made today; None where only codes that may be it are listed."""
        return ChartEntry("Condition", self.coded) if self.coded else None

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _diagnoses(self, record) if may_be_there(self, record, Diagnosis, record.diagnoses) else ()

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("Condition")

    def alike(self, record: SortedRecord) -> Hashable:
        """What decides whether an entry that may be anything counts; None where other entries count as well."""
        if not answered_by_the_unplaced(self, record, Diagnosis, record.diagnoses):
            return None
        return Diagnosis, self.statuses, self.look_back_days, self.visit_days


ENDED = frozenset({"inactive", "remission", "resolved"})  # FHIR R4 condition-clinical: the codes under "inactive"


def _diagnoses(wanted: CompiledDiagnosis, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in hits(wanted, sorted_record.diagnoses):
        entry = hit.entry
        assert isinstance(entry, Diagnosis)  # noqa: S101 (sorted by kind)
        doubts = _doubts_of_diagnosis(entry, wanted, sorted_record.today)
        if doubts is not None:
            when, reasons = doubts
            truth, why = weigh((*weak(hit, possibly=possibly), *reasons))
            words = sorted_record.codes.words_for(entry.concept)
            yield Match(truth, entry.source, words, when, why, recorder=entry.recorder)
    for entry, words in could_be_anything(wanted.looked_for, sorted_record, Diagnosis, sorted_record.diagnoses):
        doubts = _doubts_of_diagnosis(entry, wanted, sorted_record.today)
        if doubts is not None:
            yield not_told(entry, words, doubts[0], NOT_TOLD)


def _of_an_old_visit(entry: Diagnosis, visit_days: int | None, today: date) -> bool:
    """Whether it is what a visit long ago was for (category encounter-diagnosis), and nothing says that it goes on."""
    day = entry.recorded or entry.onset
    if visit_days is None or entry.problem_list is not False or day is None:
        return False
    return in_window(day, today, visit_days) is not Truth.TRUE


def _doubts_of_diagnosis(
    entry: Diagnosis, wanted: CompiledDiagnosis, today: date
) -> tuple[Span | None, tuple[str, ...]] | None:
    """The day a diagnosis counts by, and why it may not count; None when it does not count at all."""
    stands = _stands(entry, wanted, today)
    if entry.verification is Verification.WRONG or stands is Truth.FALSE:
        return None
    days = [day for day in (entry.onset, entry.recorded) if day is not None]
    if wanted.statuses is None:
        days = days[:1]  # of what may be over, the day it began tells how recent it is
    past = [day for day in days if day.earliest <= today]
    if days and not past:
        return None
    # Of what is there now, every day on which somebody said so counts.
    windows = [(in_window(day, today, wanted.look_back_days), day) for day in past]
    best = next((known for known in windows if known[0] is Truth.TRUE), None)
    best = best or next((known for known in windows if known[0] is Truth.UNKNOWN), None)
    if windows and best is None:
        return None
    window, when = best or (None, None)
    undated = window is None and wanted.look_back_days is not None and wanted.undated is Truth.UNKNOWN
    return when, (
        say("not confirmed") if entry.verification is Verification.POSSIBLE else "",
        say("it is not clear whether it is active") if stands is Truth.UNKNOWN else "",
        say("its date is not precise enough") if window is Truth.UNKNOWN else "",
        say("recorded without a date") if undated else "",
    )


def _stands(entry: Diagnosis, wanted: CompiledDiagnosis, today: date) -> Truth:
    """
    Whether its clinical status is a wanted one; without any, it is active until it has ended.

    UNKNOWN for a status that is not understood, and for one that its end contradicts (FHIR R4 Condition, con-4).
    """
    if wanted.statuses is None:
        return Truth.TRUE
    if entry.status == NOT_UNDERSTOOD:
        return Truth.UNKNOWN
    if entry.status and entry.status not in wanted.statuses:
        return Truth.FALSE
    over = Truth.of(entry.over)
    if entry.abated is not None:
        over = Truth.TRUE if entry.abated.latest <= today else Truth.of(False)
        if entry.abated.earliest <= today < entry.abated.latest:
            over = Truth.UNKNOWN
    if entry.status in ENDED:
        return Truth.TRUE
    if entry.status:
        return Truth.TRUE if over is Truth.FALSE else Truth.UNKNOWN
    if over is Truth.FALSE and _of_an_old_visit(entry, wanted.visit_days, today):
        return Truth.UNKNOWN
    if over is Truth.TRUE:
        return Truth.of(not wanted.statuses.isdisjoint(ENDED))
    return Truth.UNKNOWN if over is Truth.UNKNOWN else Truth.of("active" in wanted.statuses)


ACTIVE = frozenset({"active", "recurrence", "relapse"})  # FHIR R4 condition-clinical: the codes under "active"


def statuses(status: list[str] | str) -> frozenset[str] | None:
    """Status codes that count; None for any."""
    if status == "any":
        return None
    return ACTIVE if status == "active" else frozenset(status)
