"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cds.journal.tables import Instant

revision = "0001"
down_revision = None
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table of version 0.1."""
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
    )
    op.create_table(
        "rule_sets",
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("files", sa.JSON(), nullable=False),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("hook", sa.Text(), nullable=False),
        sa.Column("hook_instance", sa.Text(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rules", sa.String(100), sa.ForeignKey("rule_sets.version"), nullable=False),
        sa.Column("engine", sa.String(100), nullable=False),
        sa.Column("opinions", sa.String(20), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("input", sa.String(64), nullable=False),
        sa.Column("conclusions", sa.JSON(), nullable=False),
        sa.Column("issues", sa.JSON(), nullable=False),
        sa.Column("milliseconds", sa.JSON(), nullable=False),
    )
    op.create_index("receipts_by_patient", "receipts", ["patient", "decided_at"])
    op.create_index("receipts_by_time", "receipts", ["decided_at"])
    op.create_table(
        "cards",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("receipt", sa.String(36), sa.ForeignKey("receipts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("indicator", sa.String(20), nullable=False),
    )
    op.create_index("cards_by_receipt", "cards", ["receipt"])
    op.create_table(
        "suggestions",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("card", sa.String(36), sa.ForeignKey("cards.uuid", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
    )
    op.create_index("suggestions_by_card", "suggestions", ["card"])
    op.create_table(
        "inputs",
        sa.Column("receipt", sa.String(36), sa.ForeignKey("receipts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kept_at", Instant(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("inputs_by_time", "inputs", ["kept_at"])
    op.create_table(
        "feedback",
        sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason_system", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("outcome_at", Instant(), nullable=False),
        sa.Column("counts_from", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
    )
    op.create_index("feedback_by_card", "feedback", ["card"])
    op.create_index("feedback_by_time", "feedback", ["received_at"])
    op.create_table(
        "accepted",
        sa.Column("feedback", COUNTED, sa.ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("suggestion", sa.Text(), primary_key=True),
    )
    op.create_table(
        "comments",
        sa.Column("feedback", COUNTED, sa.ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
    )
    op.create_index("comments_by_time", "comments", ["received_at"])
    op.create_table(
        "tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("until", Instant(), nullable=False),
    )
    op.create_index("tokens_by_time", "tokens", ["until"])
