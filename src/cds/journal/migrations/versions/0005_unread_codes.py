"""Codes that were not read, so that a new one is seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Of earlier receipts nobody knows them."""
    op.create_table(
        "unread_codes",
        sa.Column("receipt", sa.String(36), sa.ForeignKey("receipts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )
