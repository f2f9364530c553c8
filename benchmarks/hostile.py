"""
Whatever is sent, no 5xx and no hang: bodies built by Hypothesis, and schemathesis over the OpenAPI document.

Run: .venv/bin/python -m benchmarks.hostile [--bodies 20000] [--seconds 300]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.hostile import bodies, flaw_of, send
from tests.api.test_process import process

SLOWEST_SECONDS = 10.0  # for one answer, on a machine with much else to do


def post(client: httpx.Client, count: int) -> Counter[str]:
    """Send so many bodies; what came back, and how often. A flaw ends the run with the smallest body that shows it."""
    answers: Counter[str] = Counter()

    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(case=bodies())
    def none_brings_it_down(case: tuple[str, bytes]) -> None:
        answer = send(client, *case)
        answers[str(answer.status_code)] += 1
        flaw = flaw_of(answer)
        assert not flaw, (flaw, case)

    none_brings_it_down()
    return answers


def schemathesis(base: httpx.URL, seconds: int, *more: str) -> subprocess.CompletedProcess[str]:
    """A run of schemathesis over the OpenAPI document of a running service; 0 when there was no 5xx and no hang."""
    with tempfile.TemporaryDirectory() as folder:  # it leaves files where it runs
        return subprocess.run(  # noqa: S603 (our own words)
            [str(Path(sys.executable).parent / "schemathesis"), "run", str(base.join("/openapi.json")),
             "--checks", "not_a_server_error", "--max-time", str(seconds),
             "--max-response-time", str(SLOWEST_SECONDS), "--continue-on-failure",
             "--generation-database", "none", "--suppress-health-check", "all", *more],
            cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bodies", type=int, default=20_000)
    arguments.add_argument("--seconds", type=int, default=300)
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"CDS_JOURNAL": str(Path(folder) / "journal.sqlite3")}
        with process(Path(folder) / "log", **settings) as (client, _):
            client.timeout = httpx.Timeout(SLOWEST_SECONDS)
            began = time.perf_counter()
            answers = post(client, wanted.bodies)
            took = time.perf_counter() - began
            print(f"{sum(answers.values())} bodies in {took:.0f} s, by status:", dict(sorted(answers.items())))
            ended = schemathesis(client.base_url, wanted.seconds)
            print(ended.stdout)
            print("health:", json.dumps(client.get("/health").json()))
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
