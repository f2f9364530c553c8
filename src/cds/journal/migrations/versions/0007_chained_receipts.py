"""Each receipt carries the hash of the one before, and the digest of its answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Earlier receipts are in no chain."""
    counted = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("receipts", sa.Column("answer", sa.String(64), nullable=False, server_default=""))
    op.add_column("receipts", sa.Column("place", counted, nullable=True))
    op.add_column("receipts", sa.Column("before", sa.String(64), nullable=False, server_default=""))
    op.create_index("receipts_by_place", "receipts", ["tenant", "place"])
