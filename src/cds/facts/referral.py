"""ServiceRequests → referred, not referred, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import DataQuery, service_requests
from cds.facts.kind import Numbers
from cds.facts.presence import CompiledPresence, Match, NotTold, PresenceFact, could_be_anything, hits, not_told, weigh
from cds.locale.sentence import counted, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, Referral
from cds.yaml_source.fields import FhirCode, Slug

REQUEST_STATUS = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
NO_STATUS = "unknown"
RequestStatus = Annotated[Slug, FhirCode(REQUEST_STATUS)]

NOT_TOLD = NotTold(
    counted("{number} request not read, may be it", "{number} requests not read, may be it", 1),
    counted("{number} request could not be read", "{number} requests could not be read", 1),
)


class ReferralFact(PresenceFact):
    """A ServiceRequest already in the record."""

    find: Literal["referral"]
    status: list[RequestStatus] | Literal["any"] = "any"

    def other_status(self) -> str | list[str] | None:
        """Any status for certain ones, active for any that is written."""
        if "status" not in self.model_fields_set:
            return None
        return ["active"] if self.status == "any" else "any"

    def compile(self, name: str, numbers: Numbers) -> CompiledReferral:
        """The fact with every number in place."""
        return CompiledReferral(
            **self.common(name, numbers), statuses=None if self.status == "any" else frozenset(self.status)
        )


@dataclass(frozen=True, slots=True)
class CompiledReferral(CompiledPresence):
    """A ServiceRequest with one of these statuses."""

    statuses: frozenset[str] | None

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (service_requests((*self.coded, *self.possibly_coded)),)

    def entry(self) -> None:
        """None."""

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _referrals(self, record)

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("ServiceRequest")


def _referrals(wanted: CompiledReferral, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in hits(wanted, sorted_record.referrals):
        entry = hit.entry
        assert isinstance(entry, Referral)  # noqa: S101 (sorted by kind)
        status = _has_status(entry, wanted.statuses)
        if status is Truth.FALSE:
            continue
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
                say("its status is not known") if status is Truth.UNKNOWN else "",
            )
        )
        yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), entry.when, why)
    for entry, words in could_be_anything(wanted.looked_for, sorted_record, Referral, sorted_record.referrals):
        timely = in_window(entry.when, sorted_record.today, wanted.look_back_days) is not Truth.FALSE
        if timely and _has_status(entry, wanted.statuses) is not Truth.FALSE:
            yield not_told(entry, words, entry.when, NOT_TOLD)


def _has_status(entry: Referral, statuses: frozenset[str] | None) -> Truth:
    """Whether its status is a wanted one; UNKNOWN without one, and for one that says nothing or is none of FHIR's."""
    if statuses is None or entry.status in statuses:
        return Truth.TRUE
    return Truth.of(False) if entry.status in REQUEST_STATUS - {NO_STATUS} else Truth.UNKNOWN
