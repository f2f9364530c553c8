"""
kill -9 of a worker, of the master and of PostgreSQL in turn, while feedback comes in: nothing acknowledged is lost.

Run: .venv/bin/python -m benchmarks.killed [--rounds 20]; Ctrl-C ends it after what was done.

Each round kills one of them, waits until /health is "ok" again, and says how long that took; whoever runs the service
starts the master and PostgreSQL again, which is done here at once. At the end each card whose feedback was answered 200
must be in the journal, and the chains of receipts must hold.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import select

from cds.journal.store import Store
from cds.journal.tables import feedback
from cds.journal.verify import verify_chains
from tests.journal import postgres

SERVE = [sys.executable, "-c", "from cds.cli.main import main; main()", "serve"]
SERVICE = "/cds-services/ketamine-evaluation"
REQUEST = (Path(__file__).parents[1] / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()
WORKERS = 2
TALKERS = 4
BETWEEN = 0.5  # seconds of feedback before each kill
GIVE_UP = 120.0  # seconds


@dataclass
class Killed:
    """What came of it: seconds to "ok" of each round by what was killed, cards acknowledged, and those of them lost."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    chains: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """As text."""
        for what, took in self.seconds.items():
            middle = sorted(took)[len(took) // 2]
            yield f"{what}: killed {len(took)} times, ok again after {middle:.1f} s (at most {max(took):.1f} s)"
        yield f"{len(self.acknowledged)} words acknowledged, {len(self.lost)} lost; chains: {self.chains or 'sound'}"


class Service:
    """`cds serve` at one port, started again when it was killed."""

    def __init__(self, folder: Path, journal: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self._log = (folder / "log").open("ab")
        self._environment = os.environ | {
            "CDS_PORT": str(self.port), "CDS_JOURNAL": journal, "CDS_WORKERS": str(WORKERS),
            "CDS_MAX_REQUESTS_PER_MINUTE": "1000000",
        }  # fmt: skip
        self._before: list[int] = []  # workers that were killed, or whose master was
        self.start()

    def start(self) -> None:
        """Start it; it need not answer yet."""
        self.running = subprocess.Popen(SERVE, env=self._environment, stdout=self._log, stderr=self._log)  # noqa: S603

    def workers(self) -> list[int]:
        """The processes that answer."""
        listed = subprocess.run(["pgrep", "-P", str(self.running.pid)],  # noqa: S603, S607
                                capture_output=True, text=True, check=False)  # fmt: skip
        return [int(line) for line in listed.stdout.split()]

    def ok(self) -> bool:
        """Whether all is well: every worker is there, none of before, and feedback is taken."""
        if any(Path(f"/proc/{worker}").exists() for worker in self._before):
            return False
        try:
            health = self.client.get("/health").json()
        except (httpx.TransportError, ValueError):
            return False
        well = health.get("status") == "ok" and health["workers"]["running"] == WORKERS
        return well and self.takes_feedback()

    def takes_feedback(self) -> bool:
        """Whether a word is kept now."""
        try:
            return self.client.post(f"{SERVICE}/feedback", json=said_of(str(uuid.uuid4()))).status_code == 200
        except httpx.TransportError:
            return False

    def kill_worker(self) -> None:
        """One of them; the master starts another."""
        self._before = self.workers()[:1]
        os.kill(self._before[0], signal.SIGKILL)

    def kill_master(self) -> None:
        """The master, with which its workers end; a supervisor would start it again."""
        self._before = self.workers()
        self.running.kill()
        self.running.wait()
        self.start()

    def close(self) -> None:
        """End it."""
        self.running.terminate()
        self.running.wait(60)
        self.client.close()
        self._log.close()


def said_of(card: str) -> dict[str, object]:
    """A call of feedback that overrides a card."""
    return {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-01T12:00:00Z"}]}


def kill_postgres(home: Path) -> None:
    """Every process of the server at once; whoever runs it starts it again."""
    master = int((home / "data" / "postmaster.pid").read_text().split()[0])
    listed = subprocess.run(["pgrep", "-P", str(master)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    for process in (master, *map(int, listed.stdout.split())):
        os.kill(process, signal.SIGKILL)
    while Path(f"/proc/{master}").exists():
        time.sleep(0.01)
    postgres.start(home)


@contextmanager
def talking(service: Service, result: Killed) -> Iterator[None]:
    """Feedback and decisions, one after the other in several threads, until the block is left."""
    over = threading.Event()

    def talk() -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=20) as client:
            while not over.is_set():
                card = str(uuid.uuid4())
                try:
                    if client.post(f"{SERVICE}/feedback", json=said_of(card)).status_code == 200:
                        result.acknowledged.add(card)
                    client.post(SERVICE, content=REQUEST)
                except httpx.TransportError:
                    time.sleep(0.05)

    threads = [threading.Thread(target=talk) for _ in range(TALKERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until_ok(service: Service) -> float:
    """Seconds until all is well."""
    began = time.monotonic()
    while not service.ok():
        if time.monotonic() - began > GIVE_UP:
            raise TimeoutError("it was not ok again")
        time.sleep(0.05)
    return time.monotonic() - began


def rounds(count: int, folder: Path) -> Killed:
    """Kill each of the three so many times, in turn."""
    result = Killed()
    with postgres.running() as home:
        place = postgres.address(home)
        service = Service(folder, place)
        try:
            until_ok(service)
            kills: dict[str, Callable[[], None]] = {
                "worker": service.kill_worker,
                "master": service.kill_master,
                "PostgreSQL": lambda: kill_postgres(Path(home)),
            }
            with talking(service, result), suppress(KeyboardInterrupt):  # what was done until then counts
                for _ in range(count):
                    for what, kill in kills.items():
                        time.sleep(BETWEEN)
                        kill()
                        result.seconds.setdefault(what, []).append(until_ok(service))
                        print(f"{what}: ok again after {result.seconds[what][-1]:.1f} s", flush=True)
        finally:
            service.close()
        store = Store(place)
        with store.reading() as connection:
            kept = set(connection.execute(select(feedback.c.card)).scalars())
        reports, _ = verify_chains(store, {})
        store.close()
    result.lost = result.acknowledged - kept
    result.chains = [problem for report in reports.values() for problem in report.problems]
    return result


def main() -> int:
    """Run as asked."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=20)
    with tempfile.TemporaryDirectory() as folder:
        result = rounds(arguments.parse_args().rounds, Path(folder))
    for line in result.lines():
        print(line)
    return 1 if result.lost or result.chains else 0


if __name__ == "__main__":
    sys.exit(main())
