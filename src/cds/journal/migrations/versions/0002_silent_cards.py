"""What silent rule files would have shown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of cards nobody saw."""
    op.create_table(
        "silent_cards",
        sa.Column("receipt", sa.String(36), sa.ForeignKey("receipts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
    )
