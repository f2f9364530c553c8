"""Receipts → the data they were decided from, for as long as these are kept."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, and_, or_, select

from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import cards, inputs, receipts, remarks, silent_cards, suggestions, unread_codes

AT_ONCE = 50  # decisions in memory


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """
    One decision whose data are kept.

    Attributes:
        id, tenant, service: Of its receipt.
        patient: The keyed digest of the patient (decision_records.patient_digest).
        decided_at: When.
        day: The day it was decided for.
        rules: Version of the rule set.
        conclusions: Name → true, false or unknown, as it was decided.
        cards: Names of the cards that were shown, in their order.
        body: What it was decided from, as api/decision_input.py reads it: health information.
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


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """
    One decision as its receipt says it, with its data.

    Attributes:
        rows: Table → the rows of this decision, as column → value.
        packed: What it was decided from, packed with gzip: health information.
    """

    rows: Mapping[Table, Sequence[Mapping[str, Any]]]
    packed: bytes = field(repr=False)

    @property
    def receipt(self) -> Mapping[str, Any]:
        """The row of the receipt itself."""
        return self.rows[receipts][0]


def kept_decisions(store: Store, period: JournalPeriod) -> Iterator[KeptDecision]:
    """
    Every decision of a period whose data are kept, oldest first.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    at, identity = receipts.c.decided_at, receipts.c.id
    query = (
        select(*receipts.c, inputs.c.body)
        .join(inputs, inputs.c.receipt == receipts.c.id)
        .where(*period.within)
        .order_by(at, identity)
        .limit(AT_ONCE)
    )
    last: tuple[datetime, str] | None = None
    while True:
        with store.reading() as connection:
            after = query if last is None else query.where(or_(at > last[0], and_(at == last[0], identity > last[1])))
            listed = [dict(row) for row in connection.execute(after).mappings()]
            ids = [row["id"] for row in listed]
            rows: dict[Table, list[Mapping[str, Any]]] = {}
            for table in (remarks, unread_codes, cards, silent_cards):
                found = connection.execute(select(table).where(table.c.receipt.in_(ids))).mappings()
                rows[table] = [dict(row) for row in found]
            offered = select(suggestions, cards.c.receipt).join(cards).where(cards.c.receipt.in_(ids))
            rows[suggestions] = [dict(row) for row in connection.execute(offered).mappings()]
        for row in listed:
            mine = {table: [one for one in of if one["receipt"] == row["id"]] for table, of in rows.items()}
            body = row.pop("body")
            yield KeptDecision({receipts: [row], **mine}, bytes(body))
        if len(listed) < AT_ONCE:
            return
        last = listed[-1]["decided_at"], listed[-1]["id"]
