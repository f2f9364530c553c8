"""Receipts → store, behind the answer: one thread, a bounded queue, and a count of what was lost."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from cds.journal.decision_records import DecisionRecord, write
from cds.journal.retention import PRUNE_GAP, RetentionPeriods, newest_entry, prune
from cds.journal.store import Store, StoreDownError

log = logging.getLogger(__name__)
MOST_WAITING = 2_000  # receipts; some kilobytes each unless the input is kept
AT_ONCE = 100  # receipts in one transaction
BETWEEN_WRITES = 0.1  # seconds at the least: a transaction costs more than what is in it
RETRY_SECONDS = 2.0
PRUNE_SECONDS = 6 * 3600.0
LOSSES_PER_LINE = 1_000  # one line in the log for so many


class JournalWriter:
    """
    Writes receipts behind the answers.

    Attributes:
        lost: Receipts that could not be kept since the start.
        newest: When the newest decision was made that was there when last looked.
        prune_held: Nothing is removed, because the clock is far ahead of the entries there are.
        archives: Files of the rule sets in force, by version; kept with the inputs decided by them.
    """

    def __init__(self, store: Store, keep: RetentionPeriods, most_waiting: int = MOST_WAITING) -> None:
        self.lost = 0
        self._store = store
        self._keep = keep
        self._most = most_waiting
        self._waiting: deque[DecisionRecord] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._refused = False
        self._prune_at = 0.0
        self.newest: datetime | None = None
        self.prune_held = False
        self.archives: dict[str, bytes] = {}
        self._wrote_at = -math.inf
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def waiting(self) -> int:
        """Receipts not written yet."""
        return len(self._waiting)

    @property
    def works(self) -> bool:
        """Whether receipts are being kept."""
        kept_up = len(self._waiting) < self._most and not self._refused
        return self._store.works and self._thread.is_alive() and kept_up

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, receipt: DecisionRecord) -> None:
        """Take a receipt; never waits, and counts it as lost when too many wait already."""
        with self._changed:
            if len(self._waiting) < self._most and not self._closing:
                self._waiting.append(receipt)
                if len(self._waiting) in (1, AT_ONCE):
                    self._changed.notify()
                return
            self._lose(1)

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits, for so long at most; the rest is lost and counted."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            if self._waiting:
                self._lose(len(self._waiting))

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(RETRY_SECONDS)
                self._changed.wait_for(self._many, max(0.0, self._wrote_at + BETWEEN_WRITES - time.monotonic()))
                batch = list(islice(self._waiting, AT_ONCE))
                if not batch and self._closing:
                    return
            try:
                self._write(batch)
            except StoreDownError:
                with self._changed:
                    if self._closing:
                        return
                    self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)

    def _many(self) -> bool:
        return self._closing or len(self._waiting) >= AT_ONCE

    def _write(self, batch: list[DecisionRecord]) -> None:
        if not batch:
            if not self._store.works:
                self._store.ping()
            elif time.monotonic() >= self._prune_at:
                self._look_after()
                self._prune_at = time.monotonic() + PRUNE_SECONDS
            return
        try:
            write(self._store, batch, dict(self.archives))
            self._wrote_at = time.monotonic()
            self._take(len(batch))
        except (SQLAlchemyError, ValueError, TypeError) as error:
            if len(batch) > 1:
                for receipt in batch:
                    self._write([receipt])
                return
            log.error("a receipt cannot be written: %s", type(error).__name__)
            self._refused = True
            with self._changed:
                self._waiting.popleft()
                self._lose(1)

    def _look_after(self) -> None:
        """Check the store, and remove what is too old, unless the clock cannot be believed."""
        self._store.check()
        now = datetime.now(UTC)
        self.newest, gap = newest_entry(self._store, now)
        self.prune_held = gap > PRUNE_GAP
        if self.prune_held:
            log.error("nothing is removed: the clock is %d days ahead of the entries before", gap.days)
            return
        prune(self._store, self._keep, now)

    def _take(self, count: int) -> None:
        with self._changed:
            self._refused = False
            for _ in range(count):
                self._waiting.popleft()

    def _lose(self, count: int) -> None:
        before, self.lost = self.lost, self.lost + count
        if before == 0 or before // LOSSES_PER_LINE != self.lost // LOSSES_PER_LINE:
            log.error("%d receipts were not kept since the start: the journal does not keep up", self.lost)
