"""The database that holds the journal."""

from __future__ import annotations

import socket
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from cds.journal import tables
from cds.journal.store import Store, StoreDownError, set_up, url_of
from tests.journal import postgres

START = "import sys; from cds.journal.store import Store; Store(sys.argv[1]).open()"


def test_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    with store.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.METADATA) == []
        assert context.get_current_revision() == tables.VERSION


def test_opening_again_changes_nothing(place: str) -> None:
    first, second = Store(place), Store(place)
    try:
        assert first.digest("patient", "a") == second.digest("patient", "a")
    finally:
        first.close()
        second.close()


@pytest.mark.seconds
def test_workers_that_start_together_on_an_empty_store_all_start(place: str) -> None:
    started = [subprocess.Popen([sys.executable, "-W", "error", "-c", START, place]) for _ in range(4)]

    assert [process.wait(timeout=240) for process in started] == [0, 0, 0, 0]


def test_threads_that_open_together_on_an_empty_store_all_may(place: str) -> None:
    stores = [Store(place) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(Store.open, stores))

    assert len({store.digest("patient", "a") for store in stores}) == 1
    for store in stores:
        store.close()


def test_what_raises_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(KeyError), store.writing() as connection:
        connection.execute(tables.rule_sets.insert().values(version="1", files={}))
        raise KeyError

    with store.reading() as connection:
        assert connection.execute(tables.rule_sets.select()).all() == []


def test_a_digest_depends_on_key_purpose_and_where_parts_end(tmp_path: Path) -> None:
    one, other = Store(str(tmp_path / "one"), b"k" * 32), Store(str(tmp_path / "other"), b"l" * 32)

    digests = [
        one.digest("patient", "a", "bc"),
        one.digest("patient", "ab", "c"),
        one.digest("input", "a", "bc"),
        other.digest("patient", "a", "bc"),
    ]

    assert len(set(digests)) == 4
    assert one.digest("patient", "a", b"bc") == digests[0]
    one.close()
    other.close()


def test_only_we_may_read_the_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "deep" / "journal.sqlite3"))
    with store.writing() as connection:
        connection.execute(tables.rule_sets.insert().values(version="1", files={}))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}
    store.close()

    assert modes["journal.sqlite3"] == modes["journal.sqlite3-wal"] == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def test_sqlite_is_set_to_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    with store.reading() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
    store.close()

    assert found == ["wal", 2]


@pytest.mark.parametrize("place", ["mysql://localhost/a", "postgresql://x:y:z", "http://example.org"])
def test_another_address_is_no_place_for_a_journal(place: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        url_of(place)


def test_a_place_that_cannot_be_opened_is_down_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    store = Store(str(tmp_path / "taken" / "journal.sqlite3"))

    with pytest.raises(StoreDownError):
        store.open()
    assert not store.works

    (tmp_path / "taken").unlink()
    store.open()
    assert store.works
    store.close()


def test_tables_of_a_later_version_are_left_alone_and_said(
    store: Store, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    later = Store(place)

    with pytest.raises(StoreDownError, match="another version"):
        later.open()
    later.close()

    assert "another version" in caplog.text


def test_a_server_that_is_not_there_is_down_and_said_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = Store(f"postgresql://journal:secret-word@127.0.0.1:{taken.getsockname()[1]}/journal")
        with pytest.raises(StoreDownError, match="refused"):
            store.open()
    store.close()

    assert "refused" in caplog.text
    assert "secret-word" not in caplog.text


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_server_that_dropped_its_connections_is_asked_again(postgres_server: str, store: Store) -> None:
    store.ping()
    with psycopg.connect(postgres.address(postgres_server), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'journal_%'")

    store.ping()
    assert store.works


def test_the_password_stays_out_of_the_name() -> None:
    store = Store("postgresql://journal:secret-word@db.example/journal")

    assert "secret-word" not in store.name


class Refusing(sqlite3.Connection):
    """Refuses to turn to WAL at first, as SQLite does while another connection is about to."""

    refusals = 2

    def execute(self, statement: str, *given: Any) -> sqlite3.Cursor:
        if "journal_mode" in statement and self.refusals:
            self.refusals -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return super().execute(statement, *given)


def test_a_new_file_that_others_are_setting_up_is_waited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.sqlite3", factory=Refusing)) as connection:
        set_up(connection, None)

        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.refusals == 0
