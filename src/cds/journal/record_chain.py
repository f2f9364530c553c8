"""Receipts of a tenant as a chain: what each says, with its cards and remarks, and the hash of the one before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from cds.journal import chain
from cds.journal.chain import ChainLink
from cds.journal.store import Store
from cds.journal.tables import cards, receipts, remarks, silent_cards, suggestions, unread_codes

PREFIX = "receipts:"
AT_ONCE = 200  # receipts in memory
NOT_SAID = ("place", "before")
CHILDREN = (remarks, unread_codes, cards, silent_cards, suggestions)

Rows = Mapping[Table, Sequence[Mapping[str, Any]]]


def chain_of(tenant: str) -> str:
    """The name of the chain of a tenant."""
    return PREFIX + tenant


def linked(connection: Connection, store: Store, rows: Rows) -> list[dict[str, Any]]:
    """New receipts with their places in their chains; those that are there already are left out."""
    ids = [row["id"] for row in rows[receipts]]
    known = set(connection.execute(select(receipts.c.id).where(receipts.c.id.in_(ids))).scalars())
    new: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows[receipts]:
        if row["id"] not in known:
            new[row["tenant"]].append(row)
    said = _children(rows)
    placed = []
    for tenant in sorted(new):  # in one order everywhere, so that two workers never wait for each other
        contents = [_content(row, said[row["id"]]) for row in new[tenant]]
        links = chain.append(connection, store, chain_of(tenant), contents)
        placed += [
            dict(row) | {"place": link.place, "before": link.before}
            for row, link in zip(new[tenant], links, strict=True)
        ]
    return placed


def receipt_links(connection: Connection, tenant: str) -> Iterator[ChainLink]:
    """The receipts of a tenant as a chain, by place."""
    place = 0
    query = select(receipts).where(receipts.c.tenant == tenant).order_by(receipts.c.place).limit(AT_ONCE)
    while listed := _read(connection, query.where(receipts.c.place > place)):
        ids = [row["id"] for row in listed]
        rows: dict[Table, Sequence[Mapping[str, Any]]] = {}
        for table in (remarks, unread_codes, cards, silent_cards):
            rows[table] = _read(connection, select(table).where(table.c.receipt.in_(ids)))
        shown = [row["uuid"] for row in rows[cards]]
        rows[suggestions] = _read(connection, select(suggestions).where(suggestions.c.card.in_(shown)))
        said = _children(rows)
        for row in listed:
            yield ChainLink(row["place"], row["before"], _content(row, said[row["id"]]))
        place = listed[-1]["place"]


def unchained(connection: Connection) -> int:
    """How many receipts are older than their chain."""
    count = select(func.count()).select_from(receipts).where(receipts.c.place.is_(None))
    return connection.execute(count).scalar_one()


def _read(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]


def _children(rows: Rows) -> defaultdict[str, dict[str, list[dict[str, Any]]]]:
    """Receipt → table → its rows there, in an order of their own."""
    receipt_of = {row["uuid"]: row["receipt"] for row in rows[cards]}
    found: defaultdict[str, dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: {table.name: [] for table in CHILDREN}
    )
    for table in CHILDREN:
        for row in rows[table]:
            receipt = receipt_of[row["card"]] if table is suggestions else row["receipt"]
            found[receipt][table.name].append({column.name: row[column.name] for column in table.c})
    for said in found.values():
        for listed in said.values():
            listed.sort(key=chain.canonical)
    return found


def _content(row: Mapping[str, Any], said: Mapping[str, Any]) -> bytes:
    values = {column.name: row[column.name] for column in receipts.c if column.name not in NOT_SAID}
    values["decided_at"] = values["decided_at"].astimezone(UTC)
    return chain.canonical(values | dict(said))
