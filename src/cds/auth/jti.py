"""Tokens that were used already: each works once (CDS Hooks 2.0.1, "JWT Claims": jti)."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from cds.journal import used_tokens as tokens
from cds.journal.store import Store, StoreDownError

PAUSE_SECONDS = 30.0  # a store that is away is not waited for by every call


class JtiStore(Protocol):
    """Remembers tokens for as long as they could be used again."""

    def first_use(self, issuer: str, token_id: str, until: datetime) -> bool:
        """Whether this token was never seen before; from now on it is, until it is too old to be taken anyway."""
        ...

    def pause(self) -> None:
        """Do without what others remember for a while: it does not answer."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class LocalJtiStore:
    """Remembers for this process alone."""

    def __init__(self, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._seen: set[tuple[str, str]] = set()
        self._ends: list[tuple[datetime, tuple[str, str]]] = []
        self._one_at_a_time = threading.Lock()

    def first_use(self, issuer: str, token_id: str, until: datetime) -> bool:
        """Whether this token was never seen before in this process."""
        token = (issuer, token_id)
        with self._one_at_a_time:
            while self._ends and self._ends[0][0] < self._clock():
                self._seen.discard(heapq.heappop(self._ends)[1])
            if token in self._seen:
                return False
            self._seen.add(token)
            heapq.heappush(self._ends, (until, token))
            return True

    def pause(self) -> None:
        """Nothing: no store is asked."""


class SharedJtiStore:
    """Remembers in a store that all processes share; while that is away, for this process alone."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._here = LocalJtiStore()
        self._clock = clock
        self._ask_again = float("-inf")

    def first_use(self, issuer: str, token_id: str, until: datetime) -> bool:
        """Whether this token was never seen before, as far as can be told now."""
        if not self._here.first_use(issuer, token_id, until):
            return False
        if self._clock() < self._ask_again:
            return True
        try:
            return tokens.first_use(self._store, issuer, token_id, until)
        except StoreDownError:  # the store has said so in the log
            self.pause()
            return True

    def pause(self) -> None:
        """Ask the store no more for a while."""
        self._ask_again = self._clock() + PAUSE_SECONDS
