"""`cds serve` as it is run: a process of its own, configured by environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.callers import BASE, key_set, sandbox
from tests.api.wire import flaws_in_response
from tests.server import ROOT
from tests.watcher import if_we_die

pytestmark = pytest.mark.processes

SERVICE = "/cds-services/ketamine-evaluation"
RUN = [sys.executable, "-c", "from cds.cli.main import main; main()", "serve"]
REQUEST = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text()


@contextmanager
def process(log: Path, **settings: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    with log.open("wb") as writing:
        environment = os.environ | {"CDS_PORT": "0"} | settings
        running = subprocess.Popen(RUN, env=environment, stdout=writing, stderr=writing, cwd=log.parent)
    with if_we_die("kill", "-9", str(running.pid)):
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port_in(log, running)}", timeout=60) as client:
                wait_for(client, running)
                yield client, running
        finally:
            running.kill()
            running.wait(30)


GIVE_UP_SECONDS = 180  # a machine with much else to do


def port_in(log: Path, running: subprocess.Popen[bytes]) -> str:
    """The port that it took, as it logs."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while running.poll() is None and time.monotonic() < give_up:
        if found := re.search(r"running on http://\S+:(\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"it did not start: {log.read_text()}")


def wait_for(client: httpx.Client, running: subprocess.Popen[bytes]) -> None:
    """Return once it answers: with several workers the port is taken before anybody listens."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while running.poll() is None and time.monotonic() < give_up:
        try:
            client.get("/health")
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("it did not listen")


def test_it_starts_answers_logs_no_names_and_stops_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with process(log, CDS_LOG_LEVEL="debug", CDS_MAX_BODY_BYTES="1000000") as (client, running):
        assert client.get("/cds-services").json()["services"]
        assert flaws_in_response(client.post(SERVICE, content=REQUEST).json()) == []
        other = REQUEST.replace('"patientId": "example"', '"patientId": "Quackenbush"')
        assert client.post(SERVICE, content=other).status_code == 400
        assert client.post(SERVICE, content=b" " * 1_000_001).status_code == 413
        running.send_signal(signal.SIGTERM)
        stopped = running.wait(30)

    assert stopped in {0, -signal.SIGTERM}
    assert "Quackenbush" not in log.read_text()


def test_several_workers_answer_and_stop_when_asked(tmp_path: Path) -> None:
    with process(tmp_path / "log", CDS_WORKERS="2") as (client, running):
        for _ in range(4):
            with httpx.Client(base_url=client.base_url, timeout=60) as anew:
                assert flaws_in_response(anew.post(SERVICE, content=REQUEST).json()) == []
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{client.base_url}/health")

    assert (tmp_path / "log").read_text().count("Application startup complete") == 2


def test_it_does_not_start_with_wrong_rules_and_says_why(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("*.test.yaml"))
    with (tmp_path / "rules" / "ketamine" / "evaluation.yaml").open("a") as wrong:
        wrong.write("\nnonsense: 1\n")

    environment = os.environ | {"CDS_RULES": str(tmp_path / "rules")}
    ended = subprocess.run(RUN, env=environment, capture_output=True, check=False, timeout=120)

    assert ended.returncode == 1
    assert b"evaluation.yaml" in ended.stderr
    assert b"nonsense" in ended.stderr


@pytest.mark.parametrize(("name", "value"), [("PORT", "65536"), ("ENGINE", "neither"), ("MAX_BODY_BYTES", "much")])
def test_it_does_not_start_with_a_wrong_setting_and_names_it(name: str, value: str) -> None:
    environment = os.environ | {f"CDS_{name}": value}
    ended = subprocess.run(RUN, env=environment, capture_output=True, check=False, timeout=120)

    assert ended.returncode == 2
    assert ended.stderr.startswith(b"CDS_" + name.encode())
    assert b"Traceback" not in ended.stderr


def test_it_does_not_answer_strangers_by_accident_and_says_what_to_do() -> None:
    environment = os.environ | {"CDS_HOST": "0.0.0.0"}  # noqa: S104 (refused)
    ended = subprocess.run(RUN, env=environment, capture_output=True, check=False, timeout=120)

    assert ended.returncode == 1
    for words in (b"can be reached by other machines", b"CDS_TENANTS", b"--unauthenticated", b"was not started"):
        assert words in ended.stderr


def test_it_answers_strangers_when_told_to_and_warns(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with process(log, CDS_HOST="0.0.0.0", CDS_UNAUTHENTICATED="true") as (client, _):  # noqa: S104
        assert client.get("/cds-services").json()["services"]

    assert "[warning" in log.read_text()
    assert "clients are not authenticated" in log.read_text()


def test_with_tenants_it_listens_anywhere_and_asks_who_calls(tmp_path: Path) -> None:
    ehr = sandbox()
    (tmp_path / "tenants.yaml").write_text(
        json.dumps({"tenants": [{"name": "a", "issuers": [ehr.issuer], "keys": {"set": key_set(ehr.key)}}]})
    )
    settings = {"CDS_HOST": "0.0.0.0", "CDS_TENANTS": "tenants.yaml", "CDS_PUBLIC_URL": BASE}  # noqa: S104

    with process(tmp_path / "log", **settings) as (client, _):
        assert client.get("/cds-services").status_code == 401
        assert client.get("/cds-services", headers=ehr.bearer("/cds-services")).json()["services"]
