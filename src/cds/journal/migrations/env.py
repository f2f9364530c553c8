"""Alembic's way in: the connection and its transaction are store.py's."""

from __future__ import annotations

from alembic import context

from cds.journal.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
