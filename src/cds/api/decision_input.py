"""The data a decision was made from, as the journal keeps them → the record, read once more."""

from __future__ import annotations

from typing import Any

import msgspec

from cds.api.overrides import LookedUp
from cds.api.receipts import FETCHED, ORDERS, OVERRIDES, SELECTIONS
from cds.record.bundle import Fetched, read_prefetch
from cds.record.draft_orders import orders_of
from cds.record.model import Override, PatientRecord
from cds.rulebook.program import Service


class Answer(msgspec.Struct):
    """What was fetched, as `cds.record.bundle.Fetched`; null for no value (msgspec tells Raw and null not apart)."""

    value: msgspec.Raw
    because: str
    failed: bool

    @property
    def fetched(self) -> Fetched:
        """The same, as it was."""
        return Fetched(None if bytes(self.value) == b"null" else self.value, self.because, self.failed)


class Body(msgspec.Struct):
    """What the journal keeps: a patient's id, and each piece of data by its key."""

    patientId: str  # noqa: N815 (CDS Hooks' name)
    prefetch: dict[str, msgspec.Raw]


def record_again(body: bytes, service: Service, limits: dict[str, Any]) -> PatientRecord:
    """
    The record a decision was made from.

    Args:
        body: As `cds.journal.inputs.Kept` has it.
        service: Of the rules that decide again.
        limits: As for `cds.record.bundle.read_prefetch`.
    """
    kept = msgspec.json.decode(body, type=Body)
    fetched = msgspec.json.decode(kept.prefetch.pop(FETCHED, b"{}"), type=dict[str, Answer])
    looked_up = _looked_up(kept.prefetch)
    orders = orders_of(
        service.hook,
        bytes(kept.prefetch.pop(ORDERS, b"")),
        msgspec.json.decode(kept.prefetch.pop(SELECTIONS, b"null")),
    )
    record = read_prefetch(
        kept.prefetch,
        templates={prefetch.key: prefetch.query for prefetch in service.prefetch},
        patient_id=kept.patientId,
        fetched={key: answer.fetched for key, answer in fetched.items()},
        orders=orders,
        **limits,
    )
    return looked_up.onto(record)


def _looked_up(prefetch: dict[str, msgspec.Raw]) -> LookedUp:
    if OVERRIDES not in prefetch:
        return LookedUp()
    found = msgspec.json.decode(prefetch.pop(OVERRIDES), type=tuple[Override, ...] | None)
    return LookedUp(found, failed=found is None)
