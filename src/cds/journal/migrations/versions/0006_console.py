"""Sessions of the console, who looked at what, and chains of hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cds.journal.tables import Instant

revision = "0006"
down_revision = "0005"
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nobody is signed in, and of earlier looks nothing is known."""
    op.create_table(
        "console_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
    )
    op.create_index("console_sessions_by_time", "console_sessions", ["until"])
    op.create_table(
        "audit_events",
        sa.Column("place", COUNTED, primary_key=True, autoincrement=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
    )
    op.create_index("audit_events_by_time", "audit_events", ["at"])
    op.create_table(
        "chain_heads",
        sa.Column("chain", sa.Text(), primary_key=True),
        sa.Column("place", COUNTED, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "chain_cuts",
        sa.Column("chain", sa.Text(), primary_key=True),
        sa.Column("first", COUNTED, primary_key=True, autoincrement=False),
        sa.Column("last", COUNTED, nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("after", sa.String(64), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False),
    )
