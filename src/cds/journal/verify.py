"""All chains of a journal, followed from end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from cds.journal import chain
from cds.journal.audit import CHAIN, audit_links
from cds.journal.chain import ChainHead, ChainLink, ChainReport
from cds.journal.record_chain import PREFIX, receipt_links, unchained
from cds.journal.store import Store


def verify_chains(store: Store, earlier: Mapping[str, ChainHead]) -> tuple[dict[str, ChainReport], int]:
    """
    What was found of each chain, and how many receipts are older than theirs.

    A chain that was written down earlier and is gone is a problem.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    with store.reading() as connection:
        names = sorted({CHAIN, *chain.chains(connection), *earlier})
        reports = {
            name: chain.verify(connection, store, name, _links(connection, name), earlier.get(name)) for name in names
        }
        return reports, unchained(connection)


def _links(connection: Connection, name: str) -> Iterator[ChainLink]:
    return audit_links(connection) if name == CHAIN else receipt_links(connection, name.removeprefix(PREFIX))
