"""A file of FHIR data, a Bundle or a CDS Hooks request → PatientRecord."""

from __future__ import annotations

from typing import Any

import msgspec

from cds.decide import Ruleset
from cds.errors import NotFhirError
from cds.record.bundle import read_bundle, read_prefetch
from cds.record.draft_orders import orders_of
from cds.record.model import PatientRecord
from cds.settings import Settings


class RequestFileContext(msgspec.Struct, frozen=True):
    """What of a hook's context we read."""

    patientId: Any = None  # noqa: N815 (the specification's name)
    selections: Any = None
    draftOrders: msgspec.Raw = msgspec.Raw()  # noqa: N815


class RequestFileEnvelope(msgspec.Struct):
    """What tells a CDS Hooks request from a Bundle."""

    resourceType: str | None = None  # noqa: N815 (FHIR's name)
    hook: str | None = None
    context: RequestFileContext = RequestFileContext()
    prefetch: dict[str, msgspec.Raw] | None = None


def read_record(body: bytes, rules: Ruleset, settings: Settings) -> tuple[PatientRecord, str | None]:
    """The record in a Bundle or CDS Hooks request, and the service a request's hook points to (None for a Bundle)."""
    limits: dict[str, Any] = {
        "most_entries": settings.most_entries,
        "deepest": settings.max_json_depth,
        "sought": rules.program.sought,
    }
    try:
        envelope = msgspec.json.decode(body, type=RequestFileEnvelope)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        envelope = RequestFileEnvelope()
    if envelope.resourceType is not None or envelope.hook is None:
        return read_bundle(body, **limits), None
    service = next((s for s in rules.program.services.values() if s.hook == envelope.hook), None)
    if service is None:
        raise NotFhirError(
            f"no service answers the hook {envelope.hook[:40]!r}",
            fix=f"send one of {', '.join(sorted({s.hook for s in rules.program.services.values()}))}",
            where="hook",
        )
    patient_id = envelope.context.patientId
    record = read_prefetch(
        envelope.prefetch or {},
        templates={prefetch.key: prefetch.query for prefetch in service.prefetch},
        patient_id=patient_id if isinstance(patient_id, str) else None,
        orders=orders_of(service.hook, bytes(envelope.context.draftOrders), envelope.context.selections),
        **limits,
    )
    return record, service.id
