"""Whose card was answered: word and receipt find each other, whichever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, Update, func, select, true

from cds.journal.store import Store, StoreDownError
from cds.journal.tables import cards, feedback, receipts

AT_ONCE = 500  # cards named in one statement; databases bound the number of parameters


def note_patients(connection: Connection, answered: Sequence[str]) -> None:
    """Write the patient into what was said of these cards (uuids), where their receipt is there and it lacks."""
    for start in range(0, len(answered), AT_ONCE):
        connection.execute(_linked(feedback.c.card.in_(answered[start : start + AT_ONCE])))


def note_all_patients(connection: Connection) -> None:
    """The same for every word there is, in case a process ended before it could."""
    connection.execute(_linked(true()))


def _linked(said: ColumnElement[bool]) -> Update:
    whose = (
        select(receipts.c.patient)
        .join(cards, cards.c.receipt == receipts.c.id)
        .where(cards.c.uuid == feedback.c.card, receipts.c.tenant == feedback.c.tenant)
    )
    # A length, since SQLite would look for the words of "" and go through all of them rather than for the card.
    lacks = func.length(feedback.c.patient) == 0
    return feedback.update().where(lacks, said, whose.exists()).values(patient=whose.scalar_subquery())


def note_patients_again(store: Store, answered: Sequence[str]) -> None:
    """
    The same once all is committed, where word and receipt may be written at the same time (PostgreSQL).

    Neither transaction sees the other then; of two that do this after their end, the later one sees both.
    """
    if not store.embedded and answered:
        with suppress(StoreDownError), store.writing() as connection:  # what was said is kept in any case
            note_patients(connection, answered)


def forget_patients(connection: Connection, removed: ColumnElement[bool]) -> None:
    """Take the patient out of what was said of the cards of receipts that are about to be removed."""
    shown = select(cards.c.uuid).join(receipts, receipts.c.id == cards.c.receipt).where(removed)
    connection.execute(feedback.update().where(feedback.c.card.in_(shown)).values(patient=""))
