"""Receipts → the data they were decided from, for as long as these are kept."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select

from cds.journal.store import Store
from cds.journal.tables import cards, inputs, receipts


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """
    One decision whose data are kept.

    Attributes:
        id, tenant, service: Of its receipt.
        patient: The keyed digest of the patient (receipts.patient_digest).
        decided_at: When.
        day: The day it was decided for.
        rules: Version of the rule set.
        conclusions: Name → true, false or unknown, as it was decided.
        cards: Names of the cards that were shown, in their order.
        body: What it was decided from, as hooks/kept.py reads it: health information.
    """

    id: str
    tenant: str
    service: str
    patient: str
    decided_at: datetime
    day: date
    rules: str
    conclusions: Mapping[str, str]
    cards: tuple[str, ...]
    body: bytes = field(repr=False)


def stored_decision(store: Store, decision: str) -> StoredDecision | None:
    """
    A decision with its data; None when there is none, or its data are not kept, or no longer.

    Raises:
        StoreDownError: Nobody can tell.
    """
    columns = (
        receipts.c.id, receipts.c.tenant, receipts.c.service, receipts.c.patient, receipts.c.decided_at, receipts.c.day,
        receipts.c.rules, receipts.c.conclusions, inputs.c.body,
    )  # fmt: skip
    query = select(*columns).join(inputs, inputs.c.receipt == receipts.c.id).where(receipts.c.id == decision)
    shown = select(cards.c.name).where(cards.c.receipt == decision).order_by(cards.c.position)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        names = tuple(connection.execute(shown).scalars())
    return StoredDecision(*row[:8], names, gzip.decompress(row.body))
