"""Real faults under a running service: the card goes out or a clear error does, and recovery needs no hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from cds.journal.journal import Journal
from cds.journal.store import Store
from cds.journal.verify import verify_chains
from tests.server import ROOT, serving
from tests.web.serving_pages import KEEP, SERVICE, example

pytestmark = [pytest.mark.slow, pytest.mark.processes]
EXAMPLE = "01-two-failed-trials"
SECONDS = 40.0
FAKETIME = next((path for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def say(client: httpx.Client, card: str) -> int:
    said = {"card": card, "outcome": "overridden", "outcomeTimestamp": datetime.now(UTC).isoformat()}
    return client.post(f"{SERVICE}/feedback", json={"feedback": [said]}).status_code


def card_of(client: httpx.Client) -> str:
    answer = client.post(SERVICE, json=example(EXAMPLE))
    assert answer.status_code == 200
    return str(answer.json()["cards"][0]["uuid"])


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def health(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/health").json()["journal"]
    return found


def suffers(store: Store, harm: Callable[[], None], mend: Callable[[], None]) -> None:
    """While it is harmed cards go out, feedback is refused and health says so; then all goes on and nothing is lost."""
    with serving(journal=Journal(store, KEEP)) as client:
        first = card_of(client)
        assert say(client, first) == 200
        harm()
        try:
            refused = card_of(client)
            assert say(client, refused) == 503
            until(lambda: health(client)["status"] == "degraded")
        finally:
            mend()
        until(lambda: health(client)["status"] == "ok" and health(client)["waiting"] == 0)
        assert say(client, refused) == 200
        lost = health(client)["lost"]
    with store.reading() as connection:
        told = set(connection.execute(text("SELECT card FROM feedback")).scalars())
        shown = set(connection.execute(text("SELECT uuid FROM cards")).scalars())
    assert {first, refused} <= told
    assert {first, refused} <= shown
    assert lost == 0
    reports, _ = verify_chains(store, {})
    assert all(report.problems == () for report in reports.values())
    store.close()


def test_a_disk_that_is_full_in_the_middle_of_it(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if not mounted or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    filler = disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 1024)
            except OSError:
                return

    try:
        suffers(Store(str(disk / "journal.sqlite3")), fill, filler.unlink)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_file_that_another_program_has_locked(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite3"
    other: list[sqlite3.Connection] = []

    def lock() -> None:
        other.append(sqlite3.connect(place, isolation_level=None, check_same_thread=False))
        other[0].execute("BEGIN IMMEDIATE")

    def unlock() -> None:
        other[0].close()

    suffers(Store(str(place)), lock, unlock)


@pytest.mark.database
def test_a_database_that_is_frozen(postgres_server: str) -> None:
    from tests.journal import postgres

    master = int((Path(postgres_server) / "data" / "postmaster.pid").read_text().split()[0])

    def send(which: signal.Signals) -> None:
        listed = subprocess.run(["pgrep", "-P", str(master)], capture_output=True, text=True, check=False).stdout
        for process in [master, *map(int, listed.split())]:
            os.kill(process, which)

    suffers(
        Store(postgres.address(postgres_server)),
        lambda: send(signal.SIGSTOP),
        lambda: send(signal.SIGCONT),
    )


@contextmanager
def at_the_time(moment: str, folder: Path) -> Iterator[httpx.Client]:
    """The service as a program whose clock stands elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = os.environ | {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME": moment, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "CDS_JOURNAL": str(folder / "journal.sqlite3"), "CDS_PORT": str(port),
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "cds"), "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as server:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

        def answers() -> bool:
            assert server.poll() is None
            try:
                return client.get("/livez").status_code == 200
            except httpx.TransportError:
                return False

        try:
            until(answers)
            yield client
        finally:
            client.close()
            server.terminate()


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: faketime)")
@pytest.mark.parametrize("moment", ["@1970-01-02 00:00:00", "@2001-06-01 00:00:00"])
def test_a_clock_that_was_never_set_never_says_that_there_is_nothing_to_say(moment: str, tmp_path: Path) -> None:
    with at_the_time(moment, tmp_path) as client:
        answer = client.post(SERVICE, content=json.dumps(example(EXAMPLE)))
        said = client.get("/health").json()

    assert answer.status_code == 503
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert said["status"] != "ok"
