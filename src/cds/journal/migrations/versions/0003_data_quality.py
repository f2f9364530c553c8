"""What of the data was left out or doubted, and what stayed unknown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of remarks; earlier receipts say of nothing that it was unknown."""
    op.add_column("receipts", sa.Column("unknown", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "remarks",
        sa.Column("receipt", sa.String(36), sa.ForeignKey("receipts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )
