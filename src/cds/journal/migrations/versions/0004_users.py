"""Who was shown a card: for feedback, which is somebody's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Of earlier receipts nobody knows it."""
    op.add_column("receipts", sa.Column("user", sa.Text(), nullable=False, server_default=""))
