"""Feedback in the terms of ONC HTI-1, 45 CFR 170.315(b)(11)(ii)(C), as CSV."""

from __future__ import annotations

from sqlalchemy import and_, select

from cds.journal.csv_text import csv_text
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import accepted, cards, comments, feedback, receipts

COLUMNS = ("intervention", "action taken", "user feedback", "user", "date", "location")
"""What the regulation asks for at a minimum, in its words and order."""
MORE = ("rule", "version", "card", "service", "rule set", "decision")
MOST = 100_000  # rows


def feedback_as_csv(store: Store, period: JournalPeriod) -> str:
    """
    Every word that was said of cards shown in a period, oldest first, as CSV; the last word of a card counts.

    The user is a keyed digest unless users are kept as sent; the location is the organisation (tenant) that called,
    "" where there are none: a hook says nothing finer. Feedback on cards that are not in this journal is left out.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    columns = (
        feedback.c.id, feedback.c.outcome, feedback.c.reason_system, feedback.c.reason_code, feedback.c.outcome_at,
        comments.c.display, comments.c.comment, cards.c.rule, cards.c.version, cards.c.name, receipts.c.tenant,
        receipts.c.service, receipts.c.rules, receipts.c.user, receipts.c.id,
    )  # fmt: skip
    query = (
        select(*columns)
        .select_from(
            feedback.join(cards, cards.c.uuid == feedback.c.card)
            .join(receipts, and_(receipts.c.id == cards.c.receipt, receipts.c.tenant == feedback.c.tenant))
            .outerjoin(comments, comments.c.feedback == feedback.c.id)
        )
        .where(*period.within)
        .order_by(feedback.c.outcome_at, feedback.c.id)
        .limit(MOST)
    )
    with store.reading() as connection:
        rows = connection.execute(query).all()
        took = {word for (word,) in connection.execute(select(accepted.c.feedback).distinct())}
    return csv_text(
        (*COLUMNS, *MORE),
        (
            (
                f"{name} ({rule} {version})",
                f"{outcome}, with a suggestion" if word in took else outcome,
                "; ".join(part for part in (f"{system}|{code}".strip("|"), display, comment) if part),
                user, at.isoformat(), tenant, rule, version, name, service, rules, decision,
            )
            for word, outcome, system, code, at, display, comment, rule, version, name, tenant, service, rules, user,
            decision in rows
        ),
    )  # fmt: skip
