"""What became of the cards, by rule and version; counts only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import and_, func, select

from cds.journal.feedback import CardOutcome, last_words
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import cards, receipts, silent_cards


@dataclass(slots=True)
class Tally:
    """
    What became of one card of one version of a rule file.

    Attributes:
        shown: How often it was answered.
        silent: How often it would have been, had its file not been silent.
        accepted, overridden: The last word said of it; of the rest nothing was said.
        reasons: system|code → how many overrides gave it; "" where none was given.
    """

    rule: str
    version: str
    card: str
    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """
    What became of the cards.

    Attributes:
        decisions: How many receipts there are.
        tallies: By rule, version and card.
        unknown_cards: Cards of which something was said and no receipt is here.
    """

    decisions: int
    tallies: tuple[Tally, ...]
    unknown_cards: int


def stats(store: Store, period: JournalPeriod) -> Stats:
    """
    Counts of what was decided in a period.

    Cards nobody knows are counted over all tenants and services: of them nothing else is known.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    last = last_words()
    named = (cards.c.rule, cards.c.version, cards.c.name)
    of_receipt = cards.join(receipts, cards.c.receipt == receipts.c.id)
    counted = func.count()
    shown = select(*named, counted).select_from(of_receipt).where(*period.within).group_by(*named).order_by(*named)
    said = (
        select(*named, last.c.outcome, last.c.reason_system, last.c.reason_code, counted)
        .select_from(of_receipt.join(last, and_(last.c.card == cards.c.uuid, last.c.tenant == receipts.c.tenant)))
        .where(*period.within)
        .group_by(*named, last.c.outcome, last.c.reason_system, last.c.reason_code)
    )
    unknown = (
        select(counted)
        .select_from(last.outerjoin(cards, cards.c.uuid == last.c.card))
        .where(cards.c.uuid.is_(None), last.c.received_at >= period.since, last.c.received_at < period.until)
    )
    quiet = (silent_cards.c.rule, silent_cards.c.version, silent_cards.c.name)
    unseen = (
        select(*quiet, counted)
        .select_from(silent_cards.join(receipts, silent_cards.c.receipt == receipts.c.id))
        .where(*period.within)
        .group_by(*quiet)
        .order_by(*quiet)
    )
    decided = select(counted).select_from(receipts).where(*period.within)
    with store.reading() as connection:
        tallies = {tuple(row[:3]): Tally(*row) for row in connection.execute(shown)}
        for rule, version, card, outcome, system, code, count in connection.execute(said):
            tally = tallies[rule, version, card]
            if outcome == CardOutcome.ACCEPTED.value:
                tally.accepted += count
            else:
                tally.overridden += count
                tally.reasons["|".join(filter(None, (system, code)))] += count
        for rule, version, card, count in connection.execute(unseen):
            tallies.setdefault((rule, version, card), Tally(rule, version, card)).silent = count
        return Stats(
            connection.execute(decided).scalar_one(), tuple(tallies.values()), connection.execute(unknown).scalar_one()
        )
