"""Client tokens that were used already."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlalchemy import select

from cds.journal.store import Store
from cds.journal.tables import tokens

MOST_FORGOTTEN = 100  # expired tokens that one call takes out of the table


def first_use(store: Store, issuer: str, token_id: str, until: datetime) -> bool:
    """
    Whether this token was never seen before in any process; from now on it is.

    `until` is when the token is refused for its age anyway, leeway included: it is forgotten after that.

    Raises:
        StoreDownError: Nobody can tell.
    """
    # Not waiting for a row that another process is taking out, two cannot wait for each other.
    expired = (
        select(tokens.c.digest)
        .where(tokens.c.until < datetime.now(UTC))
        .limit(MOST_FORGOTTEN)
        .with_for_update(skip_locked=True)
    )
    row = {"digest": _digest(issuer, token_id), "until": until}
    with store.writing() as connection:
        first = connection.execute(store.insert_new(tokens).returning(tokens.c.digest), row).first() is not None
        connection.execute(tokens.delete().where(tokens.c.digest.in_(expired), tokens.c.digest != row["digest"]))
    return first


def _digest(issuer: str, token_id: str) -> str:
    """One key for both, of one length whatever a client sends."""
    code = hashlib.sha256()
    for part in (issuer, token_id):
        coded = part.encode("utf-8", "surrogatepass")
        code.update(len(coded).to_bytes(8, "big"))
        code.update(coded)
    return code.hexdigest()
