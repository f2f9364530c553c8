"""Who is signed in to the console, for all processes of a service."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from cds.journal.store import Store
from cds.journal.tables import console_sessions

PURPOSE = "session of the console"


def begin_session(store: Store, key: str, who: str, entries: tuple[str, ...], until: datetime) -> None:
    """
    Somebody is signed in until then; `key` is what their browser holds, and is kept as a digest.

    Raises:
        StoreDownError: They are not.
    """
    row = {"digest": store.digest(PURPOSE, key), "who": who, "entries": list(entries), "until": until}
    with store.writing() as connection:
        connection.execute(console_sessions.delete().where(console_sessions.c.until < datetime.now(UTC)))
        connection.execute(console_sessions.insert(), row)


def session_of(store: Store, key: str) -> tuple[str, tuple[str, ...], datetime] | None:
    """
    Who holds this key, what their provider said of them, and until when; None for nobody.

    Raises:
        StoreDownError: Nobody can tell.
    """
    query = select(console_sessions).where(console_sessions.c.digest == store.digest(PURPOSE, key))
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return (row.who, tuple(row.entries), row.until) if row is not None else None


def end_session(store: Store, key: str) -> None:
    """
    Whoever holds this key is signed out everywhere.

    Raises:
        StoreDownError: They are not.
    """
    with store.writing() as connection:
        connection.execute(console_sessions.delete().where(console_sessions.c.digest == store.digest(PURPOSE, key)))
