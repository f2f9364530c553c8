"""Receipts as NDJSON: one decision a line, oldest first, for whatever a site collects its logs with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
from sqlalchemy import select

from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import cards, receipts

AT_A_TIME = 500  # rows held in memory
LATE = timedelta(
    hours=1
)  # a receipt may be written so long after its decision: the store was down, or a worker is busy


def decisions_as_ndjson(store: Store, period: JournalPeriod) -> Iterator[bytes]:
    """
    A line of JSON for each decision of a period, with its newline: when and by which rules it was made, what was
    concluded and shown. Patient, user and input are keyed digests; `milliseconds` are those of each stage.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    for _, _, line in _decisions(store, period):
        yield line


def decisions_as_they_come(store: Store, period: JournalPeriod, pause: Callable[[], None]) -> Iterator[bytes]:
    """
    The same for those there are, and then for each that is written, without end; each decision once.

    Args:
        store: The journal.
        period: Which decisions.
        pause: Called when all there are were given, before the journal is looked at again.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    given: dict[str, datetime] = {}
    while True:
        for identity, decided_at, line in _decisions(store, period):
            if identity not in given:
                given[identity] = decided_at
                yield line
        since = max(given.values(), default=period.since + LATE) - LATE
        period = replace(period, since=max(period.since, since))
        given = {identity: at for identity, at in given.items() if at >= period.since}
        pause()


def _decisions(store: Store, period: JournalPeriod) -> Iterator[tuple[str, datetime, bytes]]:
    """Id, time and line of each decision, oldest first."""
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
        for identity, of_one in groupby(rows, key=lambda row: row["id"]):
            found = list(of_one)
            line = {column.name: found[0][column.name] for column in receipts.c}
            line["cards"] = [
                {column.name: row[f"card_{column.name}"] for column in shown}
                for row in found
                if row["card_uuid"] is not None
            ]
            yield identity, found[0]["decided_at"], msgspec.json.encode(line) + b"\n"
