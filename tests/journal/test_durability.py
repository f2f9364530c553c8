"""What was acknowledged is there, whatever became of the process that acknowledged it."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from benchmarks.killed import rounds
from cds.journal.store import Store
from cds.journal.tables import feedback, receipts
from tests.api.test_process import SERVICE, process
from tests.journal import postgres

pytestmark = [pytest.mark.processes, pytest.mark.slow]

WRITE = """
import sys
from cds.journal import feedback, decision_records
from cds.journal.store import Store
from tests.journal.said import NOON, overridden, receipt, shown
store = Store(sys.argv[1])
for _ in range(60):
    card = shown()
    decision_records.write(store, [receipt(card)])
    assert feedback.keep(store, "", "evaluation", [overridden(card)], NOON) == 1
store.close()
"""


def killed_while_posting(folder: Path, place: str, posts: int) -> tuple[set[str], set[str]]:
    """Cards whose feedback was acknowledged before the service was killed at a moment by chance, and cards kept."""
    cards = [str(uuid.uuid4()) for _ in range(posts)]
    acknowledged: set[str] = set()
    enough = random.randrange(posts // 10, posts * 9 // 10)  # noqa: S311
    killed = threading.Event()

    with process(folder / "log", CDS_JOURNAL=place) as (client, running):

        def post(card: str) -> None:
            said = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-01T12:00:00Z"}
            if killed.is_set():
                return
            try:
                if client.post(f"{SERVICE}/feedback", json={"feedback": [said]}).status_code == 200:
                    acknowledged.add(card)
            except httpx.TransportError:
                return
            if len(acknowledged) >= enough and not killed.is_set():
                running.kill()
                killed.set()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post, cards))
    store = Store(place)
    with store.reading() as connection:
        kept = set(connection.execute(select(feedback.c.card)).scalars())
    store.close()
    assert killed.is_set()
    return acknowledged, kept


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    for name in ("first", "second"):
        acknowledged, kept = killed_while_posting(tmp_path, str(tmp_path / name), 300)

        assert len(acknowledged) >= 30
        assert acknowledged <= kept


@pytest.mark.database
def test_a_worker_the_master_and_the_database_are_killed_in_turn_and_nothing_acknowledged_is_lost(
    tmp_path: Path,
) -> None:
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")

    result = rounds(2, tmp_path)  # benchmarks/killed.py does it twenty times

    assert {what: len(took) for what, took in result.seconds.items()} == {"worker": 2, "master": 2, "PostgreSQL": 2}
    assert len(result.acknowledged) > 20
    assert result.lost == set()
    assert result.chains == []


def test_two_processes_write_into_one_journal_and_lose_nothing(place: str) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITE, place]) for _ in range(2)]
    assert [process.wait(timeout=240) for process in running] == [0, 0]

    store = Store(place)
    with store.reading() as connection:
        counts = [len(connection.execute(select(table.c.id)).all()) for table in (receipts, feedback)]
    store.close()

    assert counts == [120, 120]
