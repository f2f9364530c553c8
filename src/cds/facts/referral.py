"""ServiceRequests → referred, not referred, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import SERVICE_REQUESTS, DataQuery
from cds.facts.kind import Numbers
from cds.facts.presence import CompiledPresence, Match, PresenceFact, hits, weigh
from cds.logic.truth import Truth
from cds.record.model import Delivery, Referral
from cds.yaml_source.fields import FhirCode, Slug

REQUEST_STATUS = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
RequestStatus = Annotated[Slug, FhirCode(REQUEST_STATUS)]


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
        return (SERVICE_REQUESTS,)

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
        if wanted.statuses is not None and entry.status not in wanted.statuses:
            continue
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None
        truth, why = weigh(
            (
                "a code that says it may be so" if possibly else "",
                "words that only suggest it" if hit.suggested else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
            )
        )
        yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), entry.when, why)
