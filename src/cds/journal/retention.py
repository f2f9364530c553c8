"""How long things are kept, and the removal of what is older."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, func, select

from cds.journal import chain
from cds.journal.answered import forget_patients, note_all_patients
from cds.journal.audit import CHAIN
from cds.journal.disagreements import old_acknowledged
from cds.journal.record_chain import chain_of
from cds.journal.rule_archives import without_inputs
from cds.journal.store import Store
from cds.journal.tables import (
    audit_events,
    comments,
    console_sessions,
    disagreements,
    feedback,
    inputs,
    receipts,
    reviews,
    tokens,
)

RECENT = timedelta(days=7)  # a clock that has been wrong for longer would have been noticed
PRUNE_GAP = timedelta(days=30)  # without a decision; then somebody must confirm that the clock is right


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """Days that each kind of thing is kept; `inputs` 0 means that none is stored in the first place."""

    receipts: int
    comments: int
    inputs: int
    audit: int = 2_190
    reviews: int = 730


def newest_entry(store: Store, now: datetime) -> tuple[datetime | None, timedelta]:
    """
    When the newest decision was made, and for how long there was none before the last days.

    A clock that was set far ahead makes such a gap, and everything before it look too old.

    Raises:
        StoreDownError: There is no telling.
    """
    at, recent = receipts.c.decided_at, now - RECENT
    with store.reading() as connection:
        newest = connection.execute(select(func.max(at))).scalar_one()
        before = connection.execute(select(func.max(at)).where(at < recent)).scalar_one()
        since = connection.execute(select(func.min(at)).where(at >= recent)).scalar_one()
    gap = (since or now) - before if before is not None else timedelta()
    return newest, gap


def prune(store: Store, keep: RetentionPeriods, now: datetime, *, dry_run: bool = False) -> Mapping[str, int]:
    """
    Remove what is too old, and say how many rows of each table that were (with `dry_run`: would be).

    Feedback is kept as long as receipts; a receipt takes its cards, suggestions and input with it. A client token is
    kept until it expires.

    Raises:
        StoreDownError: Nothing was removed.
    """
    too_old: list[tuple[Table, ColumnElement[bool]]] = [
        (comments, comments.c.received_at < now - timedelta(days=min(keep.comments, keep.receipts))),
        (inputs, inputs.c.kept_at < now - timedelta(days=min(keep.inputs, keep.receipts))),
        (receipts, receipts.c.decided_at < now - timedelta(days=keep.receipts)),
        (feedback, feedback.c.received_at < now - timedelta(days=keep.receipts)),
        (reviews, reviews.c.saved_at < now - timedelta(days=keep.reviews)),
        (tokens, tokens.c.until < now),
        (console_sessions, console_sessions.c.until < now),
        (disagreements, old_acknowledged(now, keep.audit)),
        (audit_events, audit_events.c.at < now - timedelta(days=keep.audit)),
    ]
    with store.reading() if dry_run else store.writing() as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table).where(old)).scalar_one()
            for table, old in too_old
        }
        if not dry_run:
            _note_removed_looks(connection, store, too_old[-1][1])
            _note_removed_receipts(connection, store, too_old[2][1])
            if not store.embedded:
                note_all_patients(connection)
            if counts[receipts.name]:
                forget_patients(connection, too_old[2][1])
            for table, old in too_old:
                connection.execute(table.delete().where(old))
            connection.execute(without_inputs())
    if any(counts.values()) and not dry_run:
        store.compact()
    return counts


def _note_removed_looks(connection: Connection, store: Store, old: ColumnElement[bool]) -> None:
    listed = select(audit_events.c.place, audit_events.c.before).order_by(audit_events.c.place)
    removed = [(place, before) for place, before in connection.execute(listed.where(old))]

    def before_at(place: int) -> str | None:
        query = select(audit_events.c.before).where(audit_events.c.place == place)
        return connection.execute(query).scalar_one_or_none()

    chain.note_removal(connection, store, CHAIN, removed, before_at)


def _note_removed_receipts(connection: Connection, store: Store, old: ColumnElement[bool]) -> None:
    place, before = receipts.c.place, receipts.c.before
    for tenant in connection.execute(select(receipts.c.tenant).where(old).distinct()).scalars().all():
        mine = receipts.c.tenant == tenant
        listed = select(place, before).where(mine, old, place.is_not(None)).order_by(place)
        removed = [(number, hash_) for number, hash_ in connection.execute(listed)]

        def before_at(number: int, mine: ColumnElement[bool] = mine) -> str | None:
            return connection.execute(select(before).where(mine, place == number)).scalar_one_or_none()

        chain.note_removal(connection, store, chain_of(tenant), removed, before_at)
