"""Where the journal is kept: one SQLite file, or a PostgreSQL database; opened, migrated, written all or nothing."""

from __future__ import annotations

import errno
import hashlib
import hmac
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Insert,
    PoolProxiedConnection,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds.errors import CdsError
from cds.journal import tables
from cds.journal.prepared import PreparedQuery

log = logging.getLogger(__name__)
BUSY_MS = 5_000  # how long a writer of SQLite waits for another
BETWEEN_TRIES = 0.01  # seconds
CONNECT_SECONDS = 3
STATEMENT_MS = 10_000
MIGRATING = 7_455_201  # any number, the same in every version: PostgreSQL's lock while tables are made
WRITES = "writes"
DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class StoreDownError(CdsError):
    """The journal cannot be written or read now; nothing of what was asked was done."""


class _UnknownTablesError(CdsError):
    """The tables were made by a version this one does not know."""


class Store:
    """
    A database that holds the journal.

    It is opened at its first use, and again after it was away: a service may start before its database.

    Attributes:
        name: Where it is, without a password; for messages.
        damaged: Pages of the file were found to be other than what was written.
        works: Whether it could be written when that was last tried, and read since; True before the first use.
        plain_users: Users of the EHR are kept by their reference, not by a digest of it.
    """

    def __init__(self, place: str, key: bytes | None = None, *, plain_users: bool = False) -> None:
        """
        A store at a path (SQLite) or a postgresql:// URL; `key` stands in for the random secret it keeps itself.

        Raises:
            ValueError: The place is neither.
        """
        self._url = url_of(place)
        self.name = self._url.render_as_string(hide_password=True)
        self.works = True
        self.plain_users = plain_users
        self._key = key
        self.damaged = False
        self._ready = False
        self._file: tuple[int, int] | None = None
        self._anchor: sqlite3.Connection | None = None
        self._opening = threading.Lock()
        self._looking_up = threading.Lock()
        self._kept: PoolProxiedConnection | None = None
        self._engine = _engine(self._url)

    # ------------------------------------------------------------ use

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """
        A transaction that is durable once the block is left, and undone if it raises.

        Raises:
            StoreDownError: The database is away, locked, full or read-only.
        """
        with self._watched():
            self._look_at_file()
            self.open()
            with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """
        A transaction that only reads.

        Raises:
            StoreDownError: The database is away.
        """
        with self._watched(proves=False):  # what can be read may still not be written
            self._look_at_file()
            self.open()
            with self._engine.connect() as connection, connection.begin():
                yield connection

    def look_up(self, query: PreparedQuery, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """
        The rows of a query that answers wait for, over a connection that is kept for such; one at a time.

        Raises:
            StoreDownError: The database is away.
        """
        with self._watched(proves=False), self._looking_up:
            self._look_at_file()
            self.open()
            if (kept := self._kept) is not None:
                try:
                    return query.run(kept.dbapi_connection, self._engine.dialect, parameters)
                except DBAPIError:  # it may have been cut since: a new one tells
                    kept.close()
            self._kept = kept = self._connection_to_keep()
            return query.run(kept.dbapi_connection, self._engine.dialect, parameters)

    def does_not_come_back(self) -> None:
        """Note that a use has taken far too long; the next one that writes proves the opposite."""
        if self.works:
            log.error("the journal does not work: no answer (%s)", self.name)
        self.works = False

    def open(self) -> None:
        """
        Make or update the tables, once; safe in several processes at the same moment.

        Raises:
            StoreDownError: It cannot be opened, or was made by a later version.
        """
        if self._ready:
            return
        with self._watched(), self._opening:
            if self._ready:
                return
            if self._url.database and self.embedded:
                _make_file(Path(self._url.database))
            with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
                self._migrate(connection)
                secret = _secret(connection)
                self._key = self._key or secret
            self._hold_file()
            self._ready = True

    def close(self) -> None:
        """Let go of every connection; a later use opens new ones."""
        with self._opening:
            self._let_go()

    def check(self) -> None:
        """
        See whether the file is still what was written (SQLite; PostgreSQL sees to it itself).

        Raises:
            StoreDownError: There is no telling.
        """
        if not self.embedded:
            return
        try:
            with self.reading() as connection:
                said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except StoreDownError as down:
            if str(down) not in DAMAGE:
                raise
            said = str(down)
        damaged = said != "ok"
        if damaged and not self.damaged:
            log.error("the journal is damaged: restore a backup (%s)", self.name)
        self.damaged = damaged

    @property
    def embedded(self) -> bool:
        """Whether this is a SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    def ping(self) -> None:
        """
        See whether it works, by writing what is there already.

        Raises:
            StoreDownError: It does not.
        """
        with self.writing() as connection:  # a transaction that writes nothing succeeds on a full disk, too
            connection.execute(tables.installation.update().values(id=1))

    def compact(self) -> None:
        """
        Let what was removed leave the disk: SQLite's log of writes still holds it, PostgreSQL sees to it itself.

        Raises:
            StoreDownError: It is left where it is.
        """
        if self.embedded:
            with self._watched(), self._engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")  # a checkpoint runs outside of a transaction
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    # ------------------------------------------------------------ what others need of it

    def digest(self, purpose: str, *parts: str | bytes) -> str:
        """
        A keyed digest (HMAC-SHA-256) of these parts in hex, of no use without the key.

        Raises:
            StoreDownError: The key is in the store, and that cannot be opened.
        """
        if self._key is None:
            self.open()
        code = hmac.new(self._key or b"", digestmod=hashlib.sha256)
        for part in (purpose, *parts):
            coded = part.encode() if isinstance(part, str) else part
            code.update(len(coded).to_bytes(8, "big"))
            code.update(coded)
        return code.hexdigest()

    def insert_new(self, table: Table) -> Insert:
        """An insert that leaves alone a row whose key is there already."""
        if self.embedded:
            return sqlite.insert(table).on_conflict_do_nothing()
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 (few keep the journal there)

        return postgresql.insert(table).on_conflict_do_nothing()

    # ------------------------------------------------------------ inside

    def _hold_file(self) -> None:
        """Remember which file it is, and keep it open: what was removed can then be put back."""
        if not self.embedded or not self._url.database:
            return
        about = Path(self._url.database).stat()
        self._file = about.st_dev, about.st_ino
        self._anchor = sqlite3.connect(self._url.database, check_same_thread=False)
        self._anchor.execute("SELECT count(*) FROM sqlite_master").fetchone()  # now it is open, and its log as well

    def _connection_to_keep(self) -> PoolProxiedConnection:
        """A connection of its own, outside of the pool, each of whose statements is a transaction."""
        connection = self._engine.connect()
        connection.detach()
        made = connection.connection
        if not self.embedded and made.dbapi_connection is not None:
            made.dbapi_connection.autocommit = True
        return made

    def _look_at_file(self) -> None:
        """
        Compare the file at the path with the one that is open; where it was removed, put back what is in the open one.

        Raises:
            OSError: It was removed or replaced; the next use opens what is there then.
        """
        if self._file is None or not self._url.database:
            return
        path = Path(self._url.database)
        with self._opening:
            try:
                about = path.stat()
                if (about.st_dev, about.st_ino) == self._file:
                    return
            except FileNotFoundError:
                self._put_back(path)
            self._let_go()
        raise OSError(errno.ESTALE, "its file was removed or replaced")

    def _put_back(self, path: Path) -> None:
        if self._anchor is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy = path.with_name(f"{path.name}.{os.getpid()}.put-back")
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        into = sqlite3.connect(copy)
        try:
            self._anchor.backup(into)
            into.close()
            with suppress(FileExistsError):  # another worker was faster
                os.link(copy, path)
                log.error("the file of the journal was removed; what it held was put back (%s)", self.name)
        except sqlite3.Error as error:
            log.error("the file of the journal was removed and cannot be put back: %s", type(error).__name__)
        finally:
            into.close()
            copy.unlink(missing_ok=True)

    def _let_go(self) -> None:
        self._engine.dispose()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._anchor is not None:
            self._anchor.close()
        self._anchor, self._file, self._ready = None, None, False

    def _migrate(self, connection: Connection) -> None:
        if not self.embedded:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATING})
        if _version(connection) == tables.VERSION:
            return
        from alembic import command  # noqa: PLC0415 (slow to import, and hardly ever needed)
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", "cds.journal:migrations")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise _UnknownTablesError from None

    @contextmanager
    def _watched(self, *, proves: bool = True) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError, ProgrammingError):
            raise  # we wrote what no database takes; another try would end the same
        except (DBAPIError, PoolTimeout, _UnknownTablesError, OSError) as error:
            if self.works:
                # The kind alone: a database's message may quote what was being written.
                log.error("the journal does not work: %s (%s)", _kind(error), self.name)
            self.works = False
            raise StoreDownError(_kind(error)) from None
        except StoreDownError:
            raise
        if proves and not self.works:
            log.info("the journal works again (%s)", self.name)
            self.works = True


def url_of(place: str) -> URL:
    """
    The database a setting names.

    Raises:
        ValueError: It is a URL of something else.
    """
    if "://" not in place:
        return URL.create("sqlite", database=str(Path(place).expanduser().absolute()))
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        raise ValueError("this is not a postgresql:// URL") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"a journal is a path or a postgresql:// URL, not {url.get_backend_name()}://")
    if find_spec("psycopg") is None:
        raise ValueError("a journal in PostgreSQL needs its driver: pip install 'thirdline[postgres]'")
    return url.set(drivername="postgresql+psycopg")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        options = {"connect_timeout": CONNECT_SECONDS, "options": f"-c statement_timeout={STATEMENT_MS}"}
        return create_engine(url, hide_parameters=True, json_serializer=_json, pool_pre_ping=True, connect_args=options)
    engine = create_engine(url, hide_parameters=True, json_serializer=_json, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def set_up(connection: sqlite3.Connection, _: object) -> None:
    """What each connection to SQLite is told before it is used."""
    connection.isolation_level = None  # we begin transactions ourselves; see _begin
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        "synchronous=FULL",  # what was committed survives a power cut, not only a crash
        "foreign_keys=ON",
        "secure_delete=ON",  # what was pruned is overwritten, not only unlinked
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn to WAL; while another connection to a new file does so, SQLite refuses at once, without its busy_timeout."""
    give_up = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(BETWEEN_TRIES)
        else:
            return


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a transaction that turns from reading to writing is refused at once while another writes.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_file(path: Path) -> None:
    """An empty file that only we may read, where there is none; SQLite gives its companions the same permissions."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _version(connection: Connection) -> str:
    """The revision of the tables there are; "" for none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or ""


def _secret(connection: Connection) -> bytes:
    query = select(tables.installation.c.secret)
    kept = connection.execute(query).scalar_one_or_none()
    if kept is None:
        kept = secrets.token_bytes(32)
        connection.execute(tables.installation.insert().values(id=1, secret=kept, made_at=datetime.now(UTC)))
    return bytes(kept)


def _kind(error: Exception) -> str:
    """
    What went wrong, in a word or two.

    The text of an error may quote what was being written, so that it is left out, except where nothing was: a
    connection that cannot be made, a folder that is none.
    """
    if isinstance(error, _UnknownTablesError):
        return "its tables are of another version of this software"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    original = getattr(error, "orig", None)
    name = getattr(original, "sqlite_errorname", None) or type(original or error).__name__
    if isinstance(error, DBAPIError) and error.statement is None and original is not None:
        return f"{name}: {str(original).splitlines()[0]}"
    return str(name)


def insert_all(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows, if there are any."""
    listed = [dict(row) for row in rows]
    if listed:
        connection.execute(table.insert(), listed)
