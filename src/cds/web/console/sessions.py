"""Who is signed in to the console: kept on the server, so that it ends when it is ended."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cds.journal import console_sessions
from cds.journal.store import Store

MOST = 1_000  # sessions in memory; the oldest goes


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """
    Somebody who is signed in.

    Attributes:
        who: Their name, for people.
        entries: What the provider said of them (users.said_of); () for those of this machine.
        until: When it ends by itself.
    """

    who: str
    entries: tuple[str, ...]
    until: datetime


class SessionStore(Protocol):
    """Keeps sessions by a key that only the browser has."""

    def begin(self, session: ConsoleSession) -> str:
        """The key of a new session."""
        ...

    def of(self, key: str) -> ConsoleSession | None:
        """The session of a key; None where there is none, or none any more."""
        ...

    def end(self, key: str) -> None:
        """No session has this key any more."""
        ...


class LocalSessions:
    """For one process, where there is no journal."""

    def __init__(self) -> None:
        self._sessions: dict[str, ConsoleSession] = {}
        self._one_at_a_time = threading.Lock()

    def begin(self, session: ConsoleSession) -> str:
        """The key of a new session."""
        key = new_key()
        with self._one_at_a_time:
            while len(self._sessions) >= MOST:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[key] = session
        return key

    def of(self, key: str) -> ConsoleSession | None:
        """The session of a key."""
        found = self._sessions.get(key)
        return found if found is not None and found.until > now() else None

    def end(self, key: str) -> None:
        """Forget it."""
        with self._one_at_a_time:
            self._sessions.pop(key, None)


class JournalSessions:
    """
    For all processes of a service, in its journal.

    Each method raises StoreDownError where the journal cannot be used: nobody is let in then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, session: ConsoleSession) -> str:
        """The key of a new session."""
        key = new_key()
        console_sessions.begin_session(self._store, key, session.who, session.entries, session.until)
        return key

    def of(self, key: str) -> ConsoleSession | None:
        """The session of a key."""
        found = console_sessions.session_of(self._store, key)
        return ConsoleSession(*found) if found is not None and found[2] > now() else None

    def end(self, key: str) -> None:
        """Forget it."""
        console_sessions.end_session(self._store, key)


def new_key() -> str:
    """A key nobody can guess."""
    return secrets.token_urlsafe(32)


def now() -> datetime:
    """The time by which sessions end."""
    return datetime.now(UTC)
