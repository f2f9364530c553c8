"""What clinicians stated, where a site keeps it here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cds.journal.tables import Instant

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nothing was kept before."""
    op.create_table(
        "reviews",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(36), nullable=False),
        sa.Column("saved_at", Instant(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("reviews_by_patient", "reviews", ["patient", "saved_at"])
    op.create_index("reviews_by_time", "reviews", ["saved_at"])
