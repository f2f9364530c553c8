"""Rules that decided are kept with inputs, and disagreements of the engines until somebody acknowledges them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cds.journal.tables import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing of either was kept before."""
    op.create_table(
        "rule_archives",
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "disagreements",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("engine", sa.String(100), nullable=False),
        sa.Column("heads", sa.JSON(), nullable=False),
        sa.Column("acknowledged_at", Instant(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False, server_default=""),
    )
    op.create_index("disagreements_open", "disagreements", ["acknowledged_at"])
