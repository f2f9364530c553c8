"""Health speaks for all workers, and says when a clock, a worker or a journal cannot be trusted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cds.api import deployment, workers
from cds.api.workers import WorkerStates, make_states_file
from tests.api.wire import issue
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = make_states_file()
    monkeypatch.setenv(workers.STATES, str(path))
    yield path
    path.unlink()


def test_live_and_ready_are_answered_without_a_token(client: httpx.Client) -> None:
    for address in ("/livez", "/readyz"):
        assert (client.get(address).status_code, client.get(address).json()) == (200, {"status": "ok"})


def other_worker(path: Path, code: str) -> subprocess.Popen[bytes]:
    """Another process that takes a slot, and then does something."""
    lines = [
        "import time",
        "from pathlib import Path",
        "from cds.api.workers import WorkerStates",
        f"states = WorkerStates(Path({str(path)!r}))",
        code,
        "print('ready', flush=True)",
        "time.sleep(600)",
    ]
    text = "\n".join(lines)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.seconds
def test_a_disagreement_in_another_worker_is_seen_here_at_once_and_after_its_end(shared: Path) -> None:
    with serving() as client:
        assert client.get("/health").json()["workers"] == {"running": 1, "silent": 0}
        other = other_worker(shared, "states.beat(0, 0, 1)")
        health, ready = client.get("/health"), client.get("/readyz")
        end(other)
        after = client.get("/health")

    assert (health.status_code, health.json()["status"], health.json()["disagreements"]) == (200, "degraded", 1)
    assert health.json()["workers"]["running"] == 2
    assert ready.status_code == 200  # what was not agreed on was refused; what is agreed on may be asked for
    assert (after.json()["status"], after.json()["disagreements"]) == ("degraded", 1)


def test_a_slot_that_is_taken_again_keeps_what_was_disagreed_in_it(shared: Path) -> None:
    own = WorkerStates(shared)
    other = other_worker(shared, "states.beat(0, 0, 1)")
    end(other)
    again = other_worker(shared, "states.beat(2, 1, 0)")
    health = own.health
    end(again)

    assert (health.running, health.disagreements, health.under_way, health.overdue) == (2, 1, 2, 1)


@pytest.mark.seconds
def test_what_a_worker_met_before_it_ended_is_taken_over_once(shared: Path) -> None:
    own = WorkerStates(shared)
    first = other_worker(shared, "states.beat(0, 0, 1)")
    end(first)
    second = other_worker(shared, "states.beat(0, 0, 2)")  # in the slot of the first
    third = other_worker(shared, "states.beat(0, 0, 4)")
    end(third)

    assert (own.take_over(), own.take_over()) == (5, 0)
    assert own.health.disagreements == 2
    end(second)
    assert (own.take_over(), own.health.disagreements) == (2, 0)


@pytest.mark.seconds
def test_a_worker_that_hangs_is_told_by_the_others(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SILENT_SECONDS", 1.5)
    with serving() as client:
        other = other_worker(shared, "states.beat(1, 0, 0)")
        os.kill(other.pid, signal.SIGSTOP)
        give_up = time.monotonic() + 30
        while (health := client.get("/health")).json()["status"] == "ok":
            assert time.monotonic() < give_up
            time.sleep(0.1)
        end(other)

    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["workers"] == {"running": 2, "silent": 1}


@pytest.mark.seconds
@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2001, 9, 9, tzinfo=UTC)])
def test_with_a_clock_before_the_rules_nobody_is_told_that_there_is_nothing_to_say(
    moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as client:
        monkeypatch.setattr(deployment, "system_time", lambda: moment)
        hook, bundle = client.post(SERVICE, content=EXAMPLE), client.post("/evaluate", content=b"{}")
        health = client.get("/health")
        monkeypatch.undo()
        after = client.post(SERVICE, content=EXAMPLE)

    for answer in (hook, bundle):
        assert answer.status_code == 503
        assert "clock" in issue(answer.json())["details"]["text"]
        assert int(answer.headers["retry-after"]) > 0
    assert health.json()["status"] == "degraded"
    assert "before the release" in health.json()["clock"]
    assert after.json()["cards"]


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    child = "import os, time\nfrom cds.api.workers import end_with\nend_with({0})\nprint(os.getpid(), flush=True)\n" \
            "time.sleep(600)\n"  # fmt: skip
    text = "import os, subprocess, sys, time\n" \
           f"subprocess.Popen([sys.executable, '-c', {child!r}.format(os.getpid())])\ntime.sleep(600)\n"  # fmt: skip
    master = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    assert master.stdout is not None
    worker = int(master.stdout.readline())
    end(master)

    give_up = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and "Z" not in Path(f"/proc/{worker}/stat").read_text().split()[2]:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_workers_count_themselves_only_while_they_run() -> None:
    states = WorkerStates()
    states.beat(3, 1, 0)

    assert (states.health.running, states.health.under_way, states.health.overdue) == (1, 3, 1)
    assert states.health.silent == 0
