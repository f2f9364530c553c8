"""Codes that were not read, over time: how many decisions met each, on which days, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, select

from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import receipts, unread_codes

MOST = 200  # codes
RECENT = timedelta(days=30)
SHOWN_DAYS = 7


@dataclass(frozen=True, slots=True)
class UnreadCode:
    """
    One code that was not read.

    Attributes:
        kind: condition, medication, procedure or allergy.
        system, code: The code; both "" for entries in words only.
        decisions: How many decisions of the period met it.
        first: The day it was first met, of all the journal holds for the tenant.
        days: Day of the period → decisions that met it.
    """

    kind: str
    system: str
    code: str
    decisions: int
    first: date
    days: dict[date, int]

    def new(self, today: date) -> bool:
        """Whether it was first met in the last days, so that somebody should look at it."""
        return (today - self.first).days < SHOWN_DAYS

    def on(self, today: date) -> list[int]:
        """Decisions that met it on each of the last days, the oldest first."""
        return [self.days.get(today - timedelta(days=ago), 0) for ago in range(SHOWN_DAYS - 1, -1, -1)]


def unread_of(store: Store, period: JournalPeriod) -> tuple[UnreadCode, ...]:
    """
    The codes that were not read in a period, up to MOST: the new ones first, the newest of them at the top, then those
    met by most decisions, so that what a few charts bring since yesterday is not lost behind what all of them bring.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    named = (unread_codes.c.kind, unread_codes.c.system, unread_codes.c.code)
    joined = unread_codes.join(receipts, unread_codes.c.receipt == receipts.c.id)
    count = func.count(unread_codes.c.receipt.distinct())
    most = select(*named, count).select_from(joined).where(*period.within).group_by(*named)
    ever = JournalPeriod(datetime(1970, 1, 1, tzinfo=UTC), tenant=period.tenant).within
    first = select(*named, func.min(receipts.c.day)).select_from(joined).where(*ever).group_by(*named)
    by_day = (
        select(*named, receipts.c.day, count).select_from(joined).where(*period.within).group_by(*named, receipts.c.day)
    )
    with store.reading() as connection:
        found = connection.execute(most.order_by(count.desc(), *named)).all()
        since = {tuple(row[:3]): row[3] for row in connection.execute(first)}
        days: dict[tuple[str, ...], dict[date, int]] = {}
        for *code, day, decisions in connection.execute(by_day):
            days.setdefault(tuple(code), {})[day] = decisions
    listed = [
        UnreadCode(kind, system, code, decisions, since[kind, system, code], days[kind, system, code])
        for kind, system, code, decisions in found
    ]
    last = max((day for of_code in days.values() for day in of_code), default=date.min)
    newest_first = sorted(listed, key=lambda one: last - one.first if one.new(last) else timedelta(days=SHOWN_DAYS))
    return tuple(newest_first[:MOST])


def latest_unread(store: Store, today: date) -> tuple[UnreadCode, ...]:
    """
    The codes that were not read in the last 30 days, of all tenants.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    return unread_of(store, JournalPeriod(datetime.combine(today - RECENT, time.min, UTC)))
