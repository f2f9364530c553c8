"""Whose card was answered: word and receipt find each other, whichever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection, func, select

from cds.journal.store import Store, StoreDownError
from cds.journal.tables import cards, feedback, receipts

AT_ONCE = 500  # cards named in one statement; databases bound the number of parameters


def note_patients(connection: Connection, answered: Sequence[str]) -> None:
    """Write the patient into what was said of these cards (uuids), where their receipt is there and it lacks."""
    patient = (
        select(receipts.c.patient)
        .join(cards, cards.c.receipt == receipts.c.id)
        .where(cards.c.uuid == feedback.c.card, receipts.c.tenant == feedback.c.tenant)
        .scalar_subquery()
    )
    for start in range(0, len(answered), AT_ONCE):
        some = feedback.c.card.in_(answered[start : start + AT_ONCE])
        connection.execute(
            feedback.update().where(feedback.c.patient == "", some).values(patient=func.coalesce(patient, ""))
        )


def note_patients_again(store: Store, answered: Sequence[str]) -> None:
    """
    The same once all is committed, where word and receipt may be written at the same time (PostgreSQL).

    Neither transaction sees the other then; of two that do this after their end, the later one sees both.
    """
    if not store.embedded and answered:
        with suppress(StoreDownError), store.writing() as connection:  # what was said is kept in any case
            note_patients(connection, answered)


def forget_patients(connection: Connection) -> None:
    """Take the patient out of what was said of cards whose receipts are gone."""
    known = select(cards.c.uuid).where(cards.c.uuid == feedback.c.card).exists()
    connection.execute(feedback.update().where(feedback.c.patient != "", ~known).values(patient=""))
