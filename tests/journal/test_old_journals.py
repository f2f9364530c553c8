"""A journal of every schema there ever was is migrated with its rows, and a backup made under load restores."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from cds.journal import feedback
from cds.journal.receipts import write
from cds.journal.store import Store
from cds.journal.verify import verify_chains
from tests.journal.said import accepted, receipt, shown

CONFIG = Config()
CONFIG.set_main_option("script_location", "cds.journal:migrations")
SCHEMAS = [one.revision for one in ScriptDirectory.from_config(CONFIG).walk_revisions()][::-1]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# What each version has written since the first; columns that came later have defaults.
ROWS = """
INSERT INTO installation (id, secret, made_at) VALUES (1, :secret, :at);
INSERT INTO rule_sets (version, files) VALUES ('v1', '{}');
INSERT INTO receipts (id, tenant, service, hook, hook_instance, decided_at, day, rules, engine, opinions, patient,
  input, conclusions, issues, milliseconds)
  VALUES ('old', '', 'evaluation', 'patient-view', 'i', :at, '2025-06-01', 'v1', '0.1.0', 'both', 'p',
  'd', '{}', '{}', '{}');
INSERT INTO cards (uuid, receipt, position, name, rule, version, indicator)
  VALUES ('c', 'old', 0, 'suggest', 'evaluation', '1.0.0', 'info');
INSERT INTO suggestions (uuid, card, position) VALUES ('s', 'c', 0);
INSERT INTO feedback (id, digest, tenant, service, card, outcome, reason_system, reason_code, outcome_at, counts_from,
  received_at) VALUES (1, 'x', '', 'evaluation', 'c', 'overridden', '', 'no', :at, :at, :at);
INSERT INTO comments (feedback, received_at, display, comment) VALUES (1, :at, '', 'typed');
"""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_journal_of_every_schema_is_migrated_with_its_rows(schema: str, place: str) -> None:
    old = Store(place)
    at = datetime(2025, 6, 1, 12, tzinfo=None if old.embedded else UTC)  # SQLite keeps no offset
    CONFIG.attributes["connection"] = None
    if old.embedded:
        Path(place).parent.mkdir(parents=True)
    with old._engine.connect() as connection, connection.begin():
        CONFIG.attributes["connection"] = connection
        command.upgrade(CONFIG, schema)
        for statement in filter(None, map(str.strip, ROWS.split(";"))):
            values = {"secret": b"s" * 32, "at": at}
            connection.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    old.close()

    store = Store(place)
    store.open()

    with store.reading() as connection:
        found = connection.execute(text("SELECT id, hook FROM receipts")).all()
        typed = connection.execute(text("SELECT comment FROM comments")).scalar_one()
        secret = connection.execute(text("SELECT secret FROM installation")).scalar_one()
    assert [tuple(row) for row in found] == [("old", "patient-view")]
    assert typed == "typed"
    assert bytes(secret) == b"s" * 32  # the digests of old rows stay comparable
    write(store, [receipt(shown())])
    reports, older = verify_chains(store, {})
    assert older == 1
    assert all(report.problems == () for report in reports.values())
    store.close()


def test_a_backup_made_while_feedback_comes_in_restores_to_what_was_acknowledged_then(tmp_path: Path) -> None:
    place, copy = tmp_path / "journal.sqlite3", tmp_path / "copy.sqlite3"
    store = Store(str(place))
    store.open()
    acknowledged: list[int] = []
    stop = threading.Event()

    def talk() -> None:
        number = 0
        while not stop.is_set():
            card = shown()
            write(store, [receipt(card)])
            feedback.keep(store, "", "evaluation", [accepted(card)], NOW)
            acknowledged.append(number)
            number += 1

    talker = threading.Thread(target=talk)
    talker.start()
    while len(acknowledged) < 5:
        time.sleep(0.01)
    at_least = len(acknowledged)
    with sqlite3.connect(place) as live, sqlite3.connect(copy) as into:
        live.backup(into)  # what `sqlite3 … .backup` does
    stop.set()
    talker.join()
    store.close()
    for name in (place.name, f"{place.name}-wal", f"{place.name}-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    copy.rename(place)

    restored = Store(str(place))
    with restored.reading() as connection:
        kept = connection.execute(text("SELECT count(*) FROM feedback")).scalar_one()
    reports, _ = verify_chains(restored, {})
    restored.check()
    assert kept >= at_least
    assert not restored.damaged
    assert all(report.problems == () for report in reports.values())
    write(restored, [receipt(shown())])
    restored.close()
