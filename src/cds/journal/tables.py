"""The tables of the journal; migrations/ makes them, and a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

CASCADE = "CASCADE"
VERSION = "0009"
"""The revision of migrations/ that makes these tables."""


class Instant(TypeDecorator[datetime]):
    """A moment, in UTC; SQLite keeps no offset, so that a moment without one is refused here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC; without its offset where the database has no place for it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its offset")
        there = value.astimezone(UTC)
        return there.replace(tzinfo=None) if dialect.name == "sqlite" else there

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's)
        """The moment in UTC, with its offset."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


METADATA = MetaData()

installation = Table(
    "installation",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
)
"""One row: the random secret of this installation, with which digests are keyed unless a setting gives the key."""

rule_sets = Table(
    "rule_sets",
    METADATA,
    Column("version", String(100), primary_key=True),
    Column("files", JSON, nullable=False),
)
"""Version of a rule set → {rule id: {version, digest}}."""

rule_archives = Table(
    "rule_archives",
    METADATA,
    Column("version", String(100), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""Version of a rule set → its files (cds.rulebook.archive), as long as an input that was decided by them is kept."""

receipts = Table(
    "receipts",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("hook_instance", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("day", Date, nullable=False),
    Column("rules", String(100), ForeignKey("rule_sets.version"), nullable=False),
    Column("engine", String(100), nullable=False),
    Column("opinions", String(20), nullable=False),
    Column("patient", String(64), nullable=False),
    Column("user", Text, nullable=False, server_default=""),
    Column("input", String(64), nullable=False),
    Column("conclusions", JSON, nullable=False),
    Column("issues", JSON, nullable=False),
    Column("unknown", JSON, nullable=False, server_default="{}"),
    Column("milliseconds", JSON, nullable=False),
    Column("answer", String(64), nullable=False, server_default=""),
    Column("place", BigInteger().with_variant(Integer, "sqlite"), nullable=True),
    Column("before", String(64), nullable=False, server_default=""),
    Index("receipts_by_place", "tenant", "place"),
    Index("receipts_by_patient", "patient", "decided_at"),
    Index("receipts_by_time", "decided_at"),
)
"""
One decision; `patient`, `input` and `answer` are keyed digests, never what they are of; so is `user` unless a setting
says. `place` and `before` make the receipts of a tenant a chain (chain.py); older ones have no place.
"""

remarks = Table(
    "remarks",
    METADATA,
    Column("receipt", String(36), ForeignKey("receipts.id", ondelete=CASCADE), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("times", Integer, nullable=False),
)
"""What of the data was left out or doubted, in our own words: no chart text, no reference."""

unread_codes = Table(
    "unread_codes",
    METADATA,
    Column("receipt", String(36), ForeignKey("receipts.id", ondelete=CASCADE), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("system", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("times", Integer, nullable=False),
)
"""Entries whose codes nobody here knows, by code alone ("" for those in words only): no text, no display."""

cards = Table(
    "cards",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("receipt", String(36), ForeignKey("receipts.id", ondelete=CASCADE), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("indicator", String(20), nullable=False),
    Index("cards_by_receipt", "receipt"),
)

suggestions = Table(
    "suggestions",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("card", String(36), ForeignKey("cards.uuid", ondelete=CASCADE), nullable=False),
    Column("position", Integer, nullable=False),
    Index("suggestions_by_card", "card"),
)

silent_cards = Table(
    "silent_cards",
    METADATA,
    Column("receipt", String(36), ForeignKey("receipts.id", ondelete=CASCADE), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("version", Text, nullable=False),
)
"""Cards of silent rule files that would have been shown; nobody saw them."""

inputs = Table(
    "inputs",
    METADATA,
    Column("receipt", String(36), ForeignKey("receipts.id", ondelete=CASCADE), primary_key=True),
    Column("kept_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("inputs_by_time", "kept_at"),
)
"""What was decided from, packed with gzip; empty unless a setting asks for it."""

feedback = Table(
    "feedback",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("reason_system", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("outcome_at", Instant, nullable=False),
    Column("counts_from", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("patient", String(64), nullable=False, server_default=""),
    Index("feedback_by_card", "card"),
    Index("feedback_by_patient", "patient", "counts_from"),
    Index("feedback_by_time", "received_at"),
)
"""
Every word that was said of a card, known here or not; `counts_from` and then `id` say which came last.
`patient` is that of the card's receipt; "" while there is none.
"""

accepted = Table(
    "accepted",
    METADATA,
    Column(
        "feedback",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("feedback.id", ondelete=CASCADE),
        primary_key=True,
        autoincrement=False,
    ),
    Column("suggestion", Text, primary_key=True),
)

comments = Table(
    "comments",
    METADATA,
    Column(
        "feedback",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("feedback.id", ondelete=CASCADE),
        primary_key=True,
        autoincrement=False,
    ),
    Column("received_at", Instant, nullable=False),
    Column("display", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Index("comments_by_time", "received_at"),
)
"""What a clinician typed, and the words a client gave a reason: free text, so health information."""

reviews = Table(
    "reviews",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("patient", String(64), nullable=False),
    Column("decision", String(36), nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("reviews_by_patient", "patient", "saved_at"),
    Index("reviews_by_time", "saved_at"),
)
"""
What clinicians stated, as QuestionnaireResponses packed with gzip: health information; empty unless a setting asks for
it. `digest` is of the identifier, so that one that is sent twice is kept once; `patient` is as in receipts.
"""

tokens = Table(
    "tokens",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("until", Instant, nullable=False),
    Index("tokens_by_time", "until"),
)
"""Client tokens that were used, until they expire."""

console_sessions = Table(
    "console_sessions",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("who", Text, nullable=False),
    Column("entries", JSON, nullable=False),
    Column("until", Instant, nullable=False),
    Index("console_sessions_by_time", "until"),
)
"""Who is signed in to the console: the keyed digest of what their browser holds, and what their provider said."""

audit_events = Table(
    "audit_events",
    METADATA,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("before", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("action", String(20), nullable=False),
    Column("who", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("patient", String(64), nullable=False),
    Column("origin", Text, nullable=False),
    Index("audit_events_by_time", "at"),
)
"""Who looked at what, when and from where; only ever added to, each with the hash of the one before (chain.py)."""

disagreements = Table(
    "disagreements",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("engine", String(100), nullable=False),
    Column("heads", JSON, nullable=False),
    Column("acknowledged_at", Instant, nullable=True),
    Column("acknowledged_by", Text, nullable=False, server_default=""),
    Index("disagreements_open", "acknowledged_at"),
)
"""Where the two engines gave different answers: names of conclusions and truths, nothing of a patient."""

chain_heads = Table(
    "chain_heads",
    METADATA,
    Column("chain", Text, primary_key=True),
    Column("place", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("hash", String(64), nullable=False),
)
"""The newest entry of each chain."""

chain_cuts = Table(
    "chain_cuts",
    METADATA,
    Column("chain", Text, primary_key=True),
    Column("first", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("last", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("before", String(64), nullable=False),
    Column("after", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)
"""Entries that were removed because of their age: from where to where, and the hashes at both ends."""
