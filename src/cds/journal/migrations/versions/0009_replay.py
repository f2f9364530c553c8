"""
Rules that decided are kept with inputs, and disagreements of the engines until somebody acknowledges them.
What was said of a card knows the patient, so that the answers of one patient are found without all their receipts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cds.journal.tables import Instant

revision = "0009"
down_revision = "0008"

WHOSE = (
    "SELECT receipts.patient FROM cards JOIN receipts ON receipts.id = cards.receipt "
    "WHERE cards.uuid = feedback.card AND receipts.tenant = feedback.tenant"
)


def upgrade() -> None:
    """Of rules and disagreements nothing was kept before; patients are those of the receipts that are there."""
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
    op.add_column("feedback", sa.Column("patient", sa.String(64), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")  # that of answers is too short for all words there are
    op.execute(f"UPDATE feedback SET patient = ({WHOSE}) WHERE EXISTS ({WHOSE})")  # noqa: S608 (our own words)
    op.create_index("feedback_by_patient", "feedback", ["patient", "counts_from"])
