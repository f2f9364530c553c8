"""What was decided over time, what stayed unknown and why, and what of the data could not be used; counts only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, select

from cds.journal.feedback import last_words
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import cards, comments, receipts, remarks

MOST_READ = 5_000  # receipts that are read one by one, the newest: enough for any share to a percent
MOST_REMARKS = 200  # kinds of remarks
MOST_COMMENTS = 200


@dataclass(frozen=True, slots=True)
class Day:
    """Decisions of one service on one day, and how many of them showed a card."""

    day: date
    service: str
    decisions: int
    with_cards: int


def by_day(store: Store, period: JournalPeriod) -> tuple[Day, ...]:
    """
    Decisions by the day they were made for and service, oldest first; days without any are left out.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    shown = select(cards.c.receipt).distinct().subquery()
    query = (
        select(receipts.c.day, receipts.c.service, func.count(), func.count(shown.c.receipt))
        .select_from(receipts.outerjoin(shown, shown.c.receipt == receipts.c.id))
        .where(*period.within)
        .group_by(receipts.c.day, receipts.c.service)
        .order_by(receipts.c.day, receipts.c.service)
    )
    with store.reading() as connection:
        return tuple(Day(*row) for row in connection.execute(query))


@dataclass(frozen=True, slots=True)
class RecentDecisions:
    """
    What the newest receipts say.

    Attributes:
        receipts: How many were read.
        milliseconds: Stage → (half took less, 95 of 100 took less).
        conclusions: Name → how often it was true, false and unknown.
        unknown: Fact → how often it was unknown, by why.
        rules: Version of the rule set → how many.
    """

    receipts: int
    milliseconds: dict[str, tuple[float, float]]
    conclusions: dict[str, Counter[str]]
    unknown: dict[str, Counter[str]]
    rules: Counter[str]


def read_newest(store: Store, period: JournalPeriod, most: int = MOST_READ) -> RecentDecisions:
    """
    The newest receipts of a period, up to so many, counted.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    columns = (receipts.c.milliseconds, receipts.c.conclusions, receipts.c.unknown, receipts.c.rules)
    query = select(*columns).where(*period.within).order_by(receipts.c.decided_at.desc()).limit(most)
    took: dict[str, list[float]] = {}
    conclusions: dict[str, Counter[str]] = {}
    unknown: dict[str, Counter[str]] = {}
    rules: Counter[str] = Counter()
    with store.reading() as connection:
        for milliseconds, concluded, why, version in connection.execute(query):
            rules[version] += 1
            for stage, value in milliseconds.items():
                took.setdefault(stage, []).append(value)
            for name, truth in concluded.items():
                conclusions.setdefault(name, Counter())[truth] += 1
            for name, reason in why.items():
                unknown.setdefault(name, Counter())[reason] += 1
    quantiles = {stage: (_quantile(values, 0.5), _quantile(values, 0.95)) for stage, values in took.items()}
    return RecentDecisions(sum(rules.values()), quantiles, conclusions, unknown, rules)


def _quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part is not above."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was left out or doubted: in how many decisions, and how often in all."""

    kind: str
    resource_type: str
    what: str
    decisions: int
    times: int


def remarks_of(store: Store, period: JournalPeriod) -> tuple[Remark, ...]:
    """
    What of the data could not be used, the most frequent first, up to MOST_REMARKS kinds.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    named = (remarks.c.kind, remarks.c.resource_type, remarks.c.what)
    decisions, times = func.count(remarks.c.receipt.distinct()), func.sum(remarks.c.times)
    query = (
        select(*named, decisions, times)
        .select_from(remarks.join(receipts, remarks.c.receipt == receipts.c.id))
        .where(*period.within)
        .group_by(*named)
        .order_by(decisions.desc(), *named)
        .limit(MOST_REMARKS)
    )
    with store.reading() as connection:
        return tuple(Remark(*row) for row in connection.execute(query))


@dataclass(frozen=True, slots=True)
class CardComment:
    """What a clinician typed of a card, or the words a client gave a reason: free text, so health information."""

    at: datetime
    card: str
    rule: str
    version: str
    outcome: str
    reason: str
    display: str
    comment: str


def comments_of(store: Store, period: JournalPeriod) -> tuple[CardComment, ...]:
    """
    What was typed of cards of a period in their last word, newest first, up to MOST_COMMENTS.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    last = last_words()
    query = (
        select(
            last.c.counts_from, cards.c.name, cards.c.rule, cards.c.version, last.c.outcome, last.c.reason_code,
            comments.c.display, comments.c.comment,
        )
        .select_from(
            comments.join(last, last.c.id == comments.c.feedback)
            .join(cards, cards.c.uuid == last.c.card)
            .join(receipts, and_(receipts.c.id == cards.c.receipt, receipts.c.tenant == last.c.tenant))
        )
        .where(*period.within)
        .order_by(last.c.counts_from.desc(), last.c.id.desc())
        .limit(MOST_COMMENTS)
    )  # fmt: skip
    with store.reading() as connection:
        return tuple(CardComment(*row) for row in connection.execute(query))


def versions_of(store: Store, period: JournalPeriod) -> tuple[str, ...]:
    """
    Versions of the rule set that decided in a period, whatever it is limited to.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    query = (
        select(receipts.c.rules, func.max(receipts.c.decided_at))
        .where(receipts.c.decided_at >= period.since, receipts.c.decided_at < period.until)
        .group_by(receipts.c.rules)
        .order_by(func.max(receipts.c.decided_at).desc())
    )
    with store.reading() as connection:
        return tuple(row[0] for row in connection.execute(query))
