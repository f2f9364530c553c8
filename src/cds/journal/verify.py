"""All chains of a journal, followed from end to end."""

from __future__ import annotations

from collections.abc import Mapping

from cds.journal import chain
from cds.journal.audit import CHAIN, audit_links
from cds.journal.chain import ChainHead, ChainReport
from cds.journal.store import Store


def verify_chains(store: Store, earlier: Mapping[str, ChainHead]) -> dict[str, ChainReport]:
    """
    What was found of each chain; one that was written down earlier and is gone is a problem.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    with store.reading() as connection:
        names = sorted({CHAIN, *chain.chains(connection), *earlier})
        return {
            name: chain.verify(
                connection, store, name, audit_links(connection) if name == CHAIN else (), earlier.get(name)
            )
            for name in names
        }
