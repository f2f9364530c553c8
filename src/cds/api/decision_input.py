"""The data a decision was made from, as the journal keeps them → the record, read once more."""

from __future__ import annotations

from typing import Any

import msgspec

from cds.api.decision_records import FETCHED, ORDERS, OVERRIDES, REVIEWS, SELECTIONS
from cds.api.overrides import OverrideLookup
from cds.fhir_client.fetch import FhirAccess
from cds.journal.decision_records import HookCall
from cds.read_request import HookRequest, record_of
from cds.record.bundle import FetchedValue
from cds.record.draft_orders import orders_of
from cds.record.model import Override, PatientRecord
from cds.rulebook.compiled_ruleset import Service


class FetchedInput(msgspec.Struct):
    """What was fetched, as `cds.record.bundle.FetchedValue`; null for no value (msgspec cannot tell Raw from null)."""

    value: msgspec.Raw
    because: str
    failed: bool

    @property
    def fetched(self) -> FetchedValue:
        """The same, as it was."""
        return FetchedValue(None if bytes(self.value) == b"null" else self.value, self.because, self.failed)


class DecisionInput(msgspec.Struct):
    """What the journal keeps: a patient's id, and each piece of data by its key."""

    patientId: str  # noqa: N815 (CDS Hooks' name)
    prefetch: dict[str, msgspec.Raw]


def record_from_input(body: bytes, service: Service, limits: dict[str, Any]) -> PatientRecord:
    """
    The record a decision was made from.

    Args:
        body: As `cds.journal.inputs.StoredDecision` has it.
        service: Of the rules that decide again.
        limits: As `cds.read_request.limits` has them.
    """
    kept = msgspec.json.decode(body, type=DecisionInput)
    fetched = msgspec.json.decode(kept.prefetch.pop(FETCHED, b"{}"), type=dict[str, FetchedInput])
    looked_up = _looked_up(kept.prefetch)
    orders = orders_of(
        service.hook,
        bytes(kept.prefetch.pop(ORDERS, b"")),
        msgspec.json.decode(kept.prefetch.pop(SELECTIONS, b"null")),
    )
    fetched_values = {key: answer.fetched for key, answer in fetched.items()}
    asked = HookRequest(kept.prefetch, kept.patientId, "", FhirAccess(None, None), orders)
    record = record_of(asked, service.templates, limits, fetched_values)
    return looked_up.onto(record)


def call_from_input(body: bytes, tenant: str, service: Service, hook_instance: str) -> HookCall:
    """The call of a decision, as far as what is kept of it tells: all but its user."""
    kept = msgspec.json.decode(body, type=DecisionInput)
    return HookCall(tenant, service.id, service.hook, hook_instance, kept.patientId, kept.prefetch)


def _looked_up(prefetch: dict[str, msgspec.Raw]) -> OverrideLookup:
    asked, kept = OVERRIDES in prefetch, REVIEWS in prefetch
    found = msgspec.json.decode(prefetch.pop(OVERRIDES, b"null"), type=tuple[Override, ...] | None)
    listed = msgspec.json.decode(prefetch.pop(REVIEWS, b"null"), type=tuple[dict[str, Any], ...] | None)
    return OverrideLookup(
        found,
        failed=asked and found is None,
        reviews=None if listed is None else tuple(msgspec.json.encode(one) for one in listed),
        reviews_failed=kept and listed is None,
    )
