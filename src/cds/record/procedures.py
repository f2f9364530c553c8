"""Procedure → Intervention; ServiceRequest → Referral."""

from __future__ import annotations

from cds.record import fhir
from cds.record.concepts import concept_of, concept_of_either
from cds.record.dates import across, period_of, span_of
from cds.record.issues import Origin
from cds.record.model import Intervention, Referral

NOT_DONE = frozenset({"entered-in-error", "not-done", "preparation"})  # FHIR R4 event-status


def intervention_of(said: fhir.Procedure, origin: Origin) -> Intervention | None:
    """The procedure; None for one that was not done."""
    if said.status in NOT_DONE:
        return None
    start, end = period_of(said.performedPeriod or said.occurrencePeriod, origin, "performedPeriod")
    when = span_of(said.performedDateTime or said.occurrenceDateTime, origin, "performedDateTime")
    return Intervention(
        source=origin.source,
        concept=concept_of(said.code),
        when=when or across(start, end),
        status=said.status or "",
    )


def referral_of(said: fhir.ServiceRequest, origin: Origin) -> Referral | None:
    """The request; None for one entered in error or one that asks for nothing to be done."""
    if said.status == "entered-in-error" or said.doNotPerform:
        return None
    return Referral(
        source=origin.source,
        concept=concept_of_either(said.code),
        status=said.status or "",
        when=span_of(said.authoredOn, origin, "authoredOn"),
    )
