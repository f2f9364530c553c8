"""What clinicians did with cards: every word is kept, and the last one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from sqlalchemy import Subquery, bindparam, func, select

from cds.journal.answered import note_patients, note_patients_again
from cds.journal.decision_records import patient_digest
from cds.journal.prepared import PreparedQuery
from cds.journal.store import Store, insert_all
from cds.journal.tables import accepted, cards, comments, feedback


class CardOutcome(Enum):
    """What became of a card (CDS Hooks 2.0.1, "Feedback")."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class CardFeedback:
    """
    One thing said of one card.

    Attributes:
        card: Its uuid, as the client says it.
        outcome: What became of it.
        suggestions: uuids of the suggestions accepted.
        reason_system, reason_code: Why it was overridden; "" where not said.
        display, comment: Free text, so health information; "" for none.
        at: When it was done, by the client's clock.
    """

    card: str
    outcome: CardOutcome
    suggestions: tuple[str, ...]
    reason_system: str
    reason_code: str
    display: str = field(repr=False)
    comment: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class CardOverride:
    """A card a clinician put aside: its name in the rule file, the code given as reason ("" for none), and when."""

    card: str
    reason: str
    when: datetime


_PLACE = (
    func.row_number()
    .over(
        partition_by=[feedback.c.tenant, feedback.c.card],
        order_by=[feedback.c.counts_from.desc(), feedback.c.id.desc()],
    )
    .label("place")
)
"""Place of a word among those said of its card: 1 is the last one."""


def _recent_overrides() -> PreparedQuery:
    # Ranked here and not by last_words(): answers wait for this, and it must read neither every word there is nor
    # every receipt of a patient, who may have thousands.
    words = (
        select(cards.c.name, feedback.c.reason_code, feedback.c.outcome, feedback.c.counts_from, feedback.c.id, _PLACE)
        .join(cards, cards.c.uuid == feedback.c.card)
        .where(feedback.c.patient == bindparam("patient_digest"), feedback.c.counts_from >= bindparam("since"))
        .subquery()
    )
    return PreparedQuery(
        select(words.c.name, words.c.reason_code, words.c.counts_from)
        .where(words.c.place == 1, words.c.outcome == CardOutcome.OVERRIDDEN.value)
        .order_by(words.c.counts_from.desc(), words.c.id.desc())
    )


_RECENT_OVERRIDES = _recent_overrides()


def keep(store: Store, tenant: str, service: str, words: Sequence[CardFeedback], now: datetime) -> int:
    """
    Keep what was said, all of it or nothing, and say how much of it was new; durable once this returns.

    A word that was said before, to the letter, is not kept twice. Whether the card is known here is not asked: its
    receipt may be on its way.

    Raises:
        StoreDownError: Nothing was kept.
    """
    new = 0
    answered = [word.card for word in words]
    with store.writing() as connection:
        for word in words:
            row = {
                "digest": _digest(store, tenant, word),
                "tenant": tenant,
                "service": service,
                "card": word.card,
                "outcome": word.outcome.value,
                "reason_system": word.reason_system,
                "reason_code": word.reason_code,
                "outcome_at": word.at,
                "counts_from": min(word.at, now),  # a clock ahead of ours must not have the last word for ever
                "received_at": now,
            }
            kept = connection.execute(store.insert_new(feedback).returning(feedback.c.id), row).scalar_one_or_none()
            if kept is None:
                continue
            new += 1
            suggestions = dict.fromkeys(word.suggestions)
            insert_all(connection, accepted, ({"feedback": kept, "suggestion": uuid} for uuid in suggestions))
            if word.display or word.comment:
                text = {"feedback": kept, "received_at": now, "display": word.display, "comment": word.comment}
                insert_all(connection, comments, [text])
        note_patients(connection, answered)
    note_patients_again(store, answered)
    return new


def recent_overrides(store: Store, tenant: str, patient_id: str, since: datetime) -> list[CardOverride]:
    """
    Cards shown for this patient whose last word, from `since` on, is that they were overridden; newest first.

    Raises:
        StoreDownError: Nobody can tell.
    """
    given = {"patient_digest": patient_digest(store, tenant, patient_id), "since": since}
    return [CardOverride(name, reason, when) for name, reason, when in store.look_up(_RECENT_OVERRIDES, given)]


def last_words() -> Subquery:
    """The last word said of each card of each tenant: by the time it was done, then by the order of arrival."""
    ranked = select(feedback, _PLACE).subquery()
    return select(ranked).where(ranked.c.place == 1).subquery()


def _digest(store: Store, tenant: str, word: CardFeedback) -> str:
    said = (word.card, word.outcome.value, word.reason_system, word.reason_code, word.display, word.comment)
    return store.digest("feedback", tenant, *said, word.at.isoformat(), *sorted(set(word.suggestions)))
