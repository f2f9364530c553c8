"""Receipts as NDJSON: one decision a line, oldest first, for whatever a site collects its logs with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec
from sqlalchemy import select

from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import cards, receipts

AT_A_TIME = 500  # rows held in memory


def decisions_as_ndjson(store: Store, period: JournalPeriod) -> Iterator[bytes]:
    """
    A line of JSON for each decision of a period, with its newline: when and by which rules it was made, what was
    concluded and shown. Patient, user and input are keyed digests; `milliseconds` are those of each stage.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    shown = (cards.c.uuid, cards.c.name, cards.c.rule, cards.c.version, cards.c.indicator)
    query = (
        select(receipts, *(column.label(f"card_{column.name}") for column in shown))
        .select_from(receipts.outerjoin(cards, cards.c.receipt == receipts.c.id))
        .where(*period.within)
        .order_by(receipts.c.decided_at, receipts.c.id, cards.c.position)
        .execution_options(yield_per=AT_A_TIME)
    )
    with store.reading() as connection:
        rows = connection.execute(query).mappings()
        for _, of_one in groupby(rows, key=lambda row: row["id"]):
            found = list(of_one)
            line = {column.name: found[0][column.name] for column in receipts.c}
            line["cards"] = [
                {column.name: row[f"card_{column.name}"] for column in shown}
                for row in found
                if row["card_uuid"] is not None
            ]
            yield msgspec.json.encode(line) + b"\n"
