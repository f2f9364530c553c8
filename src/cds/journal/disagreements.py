"""Decisions on which the two engines disagreed: kept and told until somebody acknowledges each."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select

from cds import __version__
from cds.journal.audit import AuditEntry, append_audit
from cds.journal.store import Store, StoreDownError
from cds.journal.tables import disagreements

LOOK_SECONDS = 0.4  # between two looks at the journal: what another instance wrote is seen within a second
TOLD_SECONDS = 2.0  # how long this process tells one itself that it has written: others have seen it by then
MOST_WAITING = 100  # not written yet; more are counted only


@dataclass(frozen=True, slots=True)
class EngineDisagreement:
    """
    One request that got no answer because the two engines disagreed.

    Attributes:
        tenant: Whose rules they were; "" where there are none.
        address: What kind of address was called.
        heads: Name → the two truths, in words; nothing of a patient.
        engine: The version of this software.
        acknowledged_at: None while nobody did.
    """

    tenant: str
    address: str
    heads: Mapping[str, str]
    engine: str = __version__
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""


def keep_disagreements(store: Store, listed: Sequence[EngineDisagreement]) -> None:
    """
    Write them down; one that is there already is left as it is.

    Raises:
        StoreDownError: None was written.
    """
    rows = [{column.name: getattr(one, column.name) for column in disagreements.c} for one in listed]
    with store.writing() as connection:
        connection.execute(store.insert_new(disagreements), rows)


def read_disagreements(
    store: Store, tenant: str | None = None, *, acknowledged: bool = False
) -> list[EngineDisagreement]:
    """
    Those nobody acknowledged, oldest first; with `acknowledged` all.

    `tenant` leaves out those of other tenants; those of none are everybody's.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    query = select(disagreements).where(*_of(tenant)).order_by(disagreements.c.at, disagreements.c.id)
    if not acknowledged:
        query = query.where(disagreements.c.acknowledged_at.is_(None))
    with store.reading() as connection:
        return [EngineDisagreement(**dict(row)) for row in connection.execute(query).mappings()]


def acknowledge(store: Store, entry: AuditEntry, tenant: str | None = None, ids: Collection[str] | None = None) -> int:
    """
    Acknowledge disagreements, and write down who did; how many they were.

    Args:
        store: The journal.
        entry: Who does it, and when; written into the audit log with it, or not at all.
        tenant: As in `read_disagreements`.
        ids: Which; None for all there are.

    Raises:
        StoreDownError: None was acknowledged.
    """
    wanted = [*_of(tenant), disagreements.c.acknowledged_at.is_(None)]
    if ids is not None:
        wanted.append(disagreements.c.id.in_(ids))
    with store.writing() as connection:
        found = connection.execute(select(disagreements.c.id).where(*wanted)).scalars().all()
        if not found:
            return 0
        for identity in found:
            append_audit(connection, store, replace(entry, decision=identity))
        values = {"acknowledged_at": entry.at, "acknowledged_by": entry.who}
        connection.execute(disagreements.update().where(disagreements.c.id.in_(found)).values(values))
        return len(found)


def _of(tenant: str | None) -> Iterator[ColumnElement[bool]]:
    if tenant is not None:
        yield or_(disagreements.c.tenant == tenant, disagreements.c.tenant == "")


class DisagreementWatch:
    """
    Writes down what this process meets, and knows how many there are, whoever met them: it looks twice a second.

    Without a store it counts what this process met, until it ends.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._waiting: list[EngineDisagreement] = []
        self._uncounted = 0  # beyond what may wait
        self._told: list[tuple[float, int]] = []  # when they were written, and how many
        self._there = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="disagreements", daemon=True)

    def start(self) -> None:
        """Begin to look; nothing where there is no store."""
        if self._store is not None:
            self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for so long at most."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def note(self, met: EngineDisagreement) -> None:
        """Take one that was met; never waits."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(met)
            else:
                self._uncounted += 1
        self._wake.set()

    @property
    def keeps(self) -> bool:
        """Whether they are written down, so that somebody can acknowledge them."""
        return self._store is not None

    @property
    def there(self) -> int:
        """How many in the journal nobody acknowledged, when last looked."""
        return self._there

    @property
    def own(self) -> int:
        """How many this process met that others may not see in the journal yet."""
        with self._lock:
            now = time.monotonic()
            self._told = [(at, count) for at, count in self._told if now - at < TOLD_SECONDS]
            return len(self._waiting) + self._uncounted + sum(count for _, count in self._told)

    def look(self) -> None:
        """
        Write what waits, and count what is there.

        Raises:
            StoreDownError: What was known before still counts.
        """
        if self._store is None:
            return
        with self._lock:
            listed = list(self._waiting)
        if listed:
            keep_disagreements(self._store, listed)
            with self._lock:
                del self._waiting[: len(listed)]
                self._uncounted = 0  # those that wait no more stand for them
                self._told.append((time.monotonic(), len(listed)))
        query = select(func.count()).where(disagreements.c.acknowledged_at.is_(None))
        with self._store.reading() as connection:
            there = connection.execute(query).scalar_one()
        if there < self._there:  # somebody acknowledged them, among them those that were just told
            with self._lock:
                self._told.clear()
        self._there = there

    def _run(self) -> None:
        while True:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            closing = self._closing
            with suppress(StoreDownError):  # said in the log by the store
                self.look()
            if closing:
                return


def old_acknowledged(now: datetime, days: int) -> ColumnElement[bool]:
    """Those that were acknowledged so long ago; one that was not is never old."""
    return disagreements.c.acknowledged_at < now - timedelta(days=days)
