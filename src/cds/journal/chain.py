"""Entries that each carry the hash of the one before, so that a change, a gap or a new order is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from cds.journal.store import Store
from cds.journal.tables import chain_cuts, chain_heads

START = ""
"""The hash before the first entry."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """
    One entry of a chain, sealed with the entry before it.

    Attributes:
        place: 1, 2, … in its chain.
        before: The hash of the entry at the place before, `START` for the first.
        content: What the entry says.
    """

    place: int
    before: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where a chain ends: the place of its newest entry, 0 for none, and its hash."""

    place: int
    hash: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """
    What was found of one chain.

    Attributes:
        entries: How many there are.
        removed: How many were removed because of their age.
        head: Its end, as its entries give it.
        problems: What does not fit, a sentence each.
    """

    entries: int
    removed: int
    head: ChainHead
    problems: tuple[str, ...]


def canonical(values: Mapping[str, Any]) -> bytes:
    """The same bytes for the same values, whichever database they come from."""
    return msgspec.json.encode(values, order="deterministic")


def hash_of(store: Store, chain: str, link: ChainLink) -> str:
    """
    The hash that the next entry carries, keyed with the secret of this installation.

    Raises:
        StoreDownError: The key is in the store, and that cannot be opened.
    """
    return store.digest("chain", chain, str(link.place), link.before, link.content)


def append(connection: Connection, store: Store, chain: str, contents: Sequence[bytes]) -> list[ChainLink]:
    """The places of new entries at the end of a chain, which is theirs until the transaction ends."""
    connection.execute(store.insert_new(chain_heads), {"chain": chain, "place": 0, "hash": START})
    mine = chain_heads.c.chain == chain
    head = connection.execute(select(chain_heads.c.place, chain_heads.c.hash).where(mine).with_for_update()).one()
    links, place, before = [], head.place, head.hash
    for content in contents:
        place += 1
        links.append(ChainLink(place, before, content))
        before = hash_of(store, chain, links[-1])
    connection.execute(chain_heads.update().where(mine).values(place=place, hash=before))
    return links


def note_removal(
    connection: Connection,
    store: Store,
    chain: str,
    removed: Sequence[tuple[int, str]],
    before_at: Callable[[int], str | None],
) -> None:
    """
    Say which entries are removed because of their age, so that the gap is not taken for a theft.

    Args:
        connection: The transaction that removes them.
        store: Whose key seals it.
        chain: Whose they are.
        removed: (place, before) of each, by place.
        before_at: Place → before, of an entry that stays; None where there is none.
    """
    if not removed:
        return
    head = _head(connection, chain)
    ends = {cut.first: cut.before for cut in _cuts(connection, chain)} | {head.place + 1: head.hash}
    stretches: list[list[tuple[int, str]]] = []
    for place, before in removed:
        if stretches and stretches[-1][-1][0] == place - 1:
            stretches[-1].append((place, before))
        else:
            stretches.append([(place, before)])
    for stretch in stretches:
        (first, before), last = stretch[0], stretch[-1][0]
        after = before_at(last + 1) or ends.get(last + 1, START)
        seal = _seal(store, chain, first, last, before, after)
        row = {"chain": chain, "first": first, "last": last, "before": before, "after": after, "seal": seal}
        connection.execute(store.insert_new(chain_cuts), row)


def verify(
    connection: Connection, store: Store, chain: str, links: Iterable[ChainLink], earlier: ChainHead | None = None
) -> ChainReport:
    """
    Follow a chain from its first entry to its head.

    Args:
        connection: A transaction that reads.
        store: Whose key the hashes are made with.
        chain: Which.
        links: Its entries, by place.
        earlier: A head that was written down before: whatever came after it, the chain must still lead through it.
    """
    cuts = {cut.first: cut for cut in _cuts(connection, chain)}
    problems: list[str] = []
    entries = removed = 0
    at, before = 1, START
    passed = {0: START}

    def over_cuts() -> None:
        nonlocal at, before, removed
        while (cut := cuts.pop(at, None)) is not None:
            if cut.before != before or cut.seal != _seal(store, chain, cut.first, cut.last, cut.before, cut.after):
                problems.append(f"the removal of {cut.first} to {cut.last} was not written by this service")
            removed += cut.last - cut.first + 1
            at, before = cut.last + 1, cut.after
            passed[cut.last] = before

    for link in links:
        entries += 1
        over_cuts()
        if link.place != at:
            problems.append(
                f"{at} to {link.place - 1} are missing" if link.place > at else f"{link.place} is there twice"
            )
        elif link.before != before:
            problems.append(f"{link.place - 1} was changed, or {link.place} is not what came after it")
        at, before = link.place + 1, hash_of(store, chain, link)
        passed[link.place] = before
    over_cuts()
    head = _head(connection, chain)
    if head.place >= at:
        problems.append(f"{at} to {head.place} are missing at the end")
    elif head != ChainHead(at - 1, before):
        problems.append(f"{at - 1} was changed, or entries at the end are missing")
    if earlier is not None and passed.get(earlier.place, earlier.hash if earlier.place < at else None) != earlier.hash:
        problems.append(f"the head written down earlier, {earlier.place}, is not in the chain")
    return ChainReport(entries, removed, ChainHead(at - 1, before), tuple(problems))


def chains(connection: Connection) -> list[str]:
    """The names of all chains."""
    return list(connection.execute(select(chain_heads.c.chain).order_by(chain_heads.c.chain)).scalars())


def _head(connection: Connection, chain: str) -> ChainHead:
    query = select(chain_heads.c.place, chain_heads.c.hash).where(chain_heads.c.chain == chain)
    row = connection.execute(query).one_or_none()
    return ChainHead(row.place, row.hash) if row is not None else ChainHead(0, START)


def _cuts(connection: Connection, chain: str) -> Sequence[Row[Any]]:
    return connection.execute(select(chain_cuts).where(chain_cuts.c.chain == chain).order_by(chain_cuts.c.first)).all()


def _seal(store: Store, chain: str, first: int, last: int, before: str, after: str) -> str:
    return store.digest("removed", chain, str(first), str(last), before, after)
