"""A journal of every schema there ever was is migrated with its rows, and a backup made under load restores."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from cds.journal import feedback, tables
from cds.journal.decision_records import write
from cds.journal.store import Store
from cds.journal.tables import METADATA
from cds.journal.verify import verify_chains
from tests.journal import postgres
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


# Revision → table it brought → a row there.
LATER = {
    "0002": {"silent_cards": "(receipt, name, rule, version) VALUES ('old', 'quiet', 'evaluation', '1.0.0')"},
    "0003": {
        "remarks": "(receipt, position, kind, resource_type, what, times) "
        "VALUES ('old', 0, 'not-sent', 'Observation', 'No surveys came.', 2)"
    },
    "0005": {
        "unread_codes": "(receipt, position, kind, system, code, times) VALUES ('old', 0, 'medication', 's', 'c', 1)"
    },
    "0006": {"console_sessions": "(digest, who, entries, until) VALUES ('k', 'ann', '[]', :at)"},
    "0008": {
        "reviews": "(digest, tenant, patient, decision, saved_at, body) VALUES ('r', '', 'p', 'old', :at, :secret)"
    },
    "0009": {
        "disagreements": "(id, at, tenant, address, engine, heads) VALUES ('x', :at, '', 'hook', '0.2.0', '{}')",
        "rule_archives": "(version, body) VALUES ('v1', :secret)",
    },
}


def test_every_table_of_later_schemas_has_a_row_to_be_migrated() -> None:
    chained = {"audit_events", "chain_heads", "chain_cuts"}  # their rows are sealed; test_chain.py writes them
    named = {table for tables_of in LATER.values() for table in tables_of}
    first = set(re.findall(r"INSERT INTO (\w+)", ROWS))

    assert named | first | chained | {"inputs", "accepted", "tokens"} == set(METADATA.tables)
    assert max(LATER) == SCHEMAS[-1]


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
        later = {name: row for revision in LATER if revision <= schema for name, row in LATER[revision].items()}
        listed = [
            *filter(None, map(str.strip, ROWS.split(";"))),
            *(f"INSERT INTO {n} {row}" for n, row in later.items()),
        ]
        for statement in listed:
            values = {"secret": b"s" * 32, "at": at}
            connection.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    old.close()

    store = Store(place)
    store.open()

    with store.reading() as connection:
        found = connection.execute(text("SELECT id, hook FROM receipts")).all()
        typed = connection.execute(text("SELECT comment FROM comments")).scalar_one()
        secret = connection.execute(text("SELECT secret FROM installation")).scalar_one()
        queries = {name: select(func.count()).select_from(METADATA.tables[name]) for name in later}
        counts = {name: connection.execute(query).scalar_one() for name, query in queries.items()}
        answered = connection.execute(select(tables.feedback.c.patient)).scalar_one()
    assert counts == dict.fromkeys(later, 1)
    assert answered == ("p" if schema < "0009" else "")  # from then on whoever wrote the row wrote it, too
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


@pytest.mark.database
def test_a_backup_of_postgresql_made_while_feedback_comes_in_restores_to_what_was_acknowledged_then(
    postgres_server: str, tmp_path: Path
) -> None:
    where = postgres.binaries()
    assert where is not None
    dump, stop = tmp_path / "journal.bak", threading.Event()
    server = ["-h", postgres_server, "-U", "journal"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([str(where / program), *server, *arguments], check=True, stdout=subprocess.DEVNULL)

    run("createdb", "before")
    store = Store(postgres.address(postgres_server, "before"))
    store.open()
    acknowledged: list[int] = []

    def talk() -> None:
        while not stop.is_set():
            card = shown()
            write(store, [receipt(card)])
            feedback.keep(store, "", "evaluation", [accepted(card)], NOW)
            acknowledged.append(len(acknowledged))

    talker = threading.Thread(target=talk)
    talker.start()
    while len(acknowledged) < 5:
        time.sleep(0.01)
    at_least = len(acknowledged)
    run("pg_dump", "-Fc", "-f", str(dump), "before")
    stop.set()
    talker.join()
    store.close()
    run("createdb", "after")
    run("pg_restore", "-d", "after", str(dump))

    restored = Store(postgres.address(postgres_server, "after"))
    with restored.reading() as connection:
        kept = connection.execute(text("SELECT count(*) FROM feedback")).scalar_one()
    reports, _ = verify_chains(restored, {})
    assert kept >= at_least
    assert all(report.problems == () for report in reports.values())
    write(restored, [receipt(shown())])
    restored.close()
