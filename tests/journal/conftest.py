from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cds.journal.store import Store
from tests.journal import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")
    with postgres.running() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a journal can be kept: each kind of database, empty."""
    if request.param == "sqlite":
        return str(tmp_path / "journal" / "journal.sqlite3")
    server: str = request.getfixturevalue("postgres_server")
    name = f"journal_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.address(server), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres.address(server, name)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    opened = Store(place)
    yield opened
    opened.close()
