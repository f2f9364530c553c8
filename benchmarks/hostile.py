"""
Whatever is sent, no 5xx, no hang, no wrong answer to others, and memory that stays level: bodies built by Hypothesis
next to ordinary requests, then schemathesis over the OpenAPI document.

Run: .venv/bin/python -m benchmarks.hostile [--bodies 100000] [--ordinary 100000] [--seconds 300] [--workers 1]

With several workers as many clients send each kind; what one of them finds wrong ends the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.hostile import bodies, examples, flaw_of, send
from tests.api.test_process import process

SLOWEST_SECONDS = 10.0  # for one answer, on a machine with much else to do
LEVEL = 1.25  # how much of the memory after a quarter of the run may be taken at its end
AT_ONCE = 5_000  # bodies of one run of Hypothesis, which remembers each


@dataclass
class OrdinaryTraffic:
    """
    Requests of an ordinary client, each compared with what was answered before anything hostile came.

    Attributes:
        statuses: Status → how often.
        wrong: Names of examples whose answer was another.
        seconds: What each took.
    """

    client: httpx.Client
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        listed = {name: body for name, (body, _) in examples().items()}
        self._asked = {name: (body.get("hook", ""), json.dumps(body).encode()) for name, body in listed.items()}
        self._answers = {name: said_in(send(self.client, *asked)) for name, asked in self._asked.items()}

    def ask(self, count: int, over: threading.Event) -> None:
        """Ask so many times, the examples in turn, or until it is over."""
        names = list(self._asked)
        for number in range(count):
            if over.is_set():
                return
            name = names[number % len(names)]
            began = time.perf_counter()
            answer = send(self.client, *self._asked[name])
            took, wrong = time.perf_counter() - began, said_in(answer) != self._answers[name]
            with self._counting:
                self.seconds.append(took)
                self.statuses[str(answer.status_code)] += 1
                self.wrong[name] += wrong  # a bool

    def lines(self) -> Iterator[str]:
        """As text."""
        took = sorted(self.seconds) or [0.0]
        yield f"{len(self.seconds)} ordinary requests, by status: {dict(self.statuses)}; wrong: {dict(+self.wrong)}"
        middle, late = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
        yield f"half of them within {middle:.0f} ms, 99 % within {late:.0f} ms"


def said_in(answer: httpx.Response) -> Any:
    """What an answer says, without ids of its own."""
    said = answer.json()
    if answer.status_code != 200:
        return said
    cards = [
        {name: value for name, value in card.items() if name not in ("uuid", "links", "suggestions")}
        | {"suggestions": [(one["label"], one.get("actions")) for one in card.get("suggestions", ())]}
        for card in said["cards"]
    ]
    return cards, said.get("conclusions"), said.get("missing")


def post(client: httpx.Client, count: int) -> Counter[str]:
    """Send so many bodies; what came back, and how often. A flaw ends the run with the smallest body that shows it."""
    answers: Counter[str] = Counter()

    @settings(
        max_examples=min(count, AT_ONCE), deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(case=bodies())
    def none_brings_it_down(case: tuple[str, bytes]) -> None:
        answer = send(client, *case)
        answers[str(answer.status_code)] += 1
        flaw = flaw_of(answer)
        assert not flaw, (flaw, case)

    while answers.total() < count:
        none_brings_it_down()
    return answers


def memory_of(process_id: int) -> int:
    """Bytes a process and its workers hold in memory, what they share counted once (Linux: Pss)."""
    listed = subprocess.run(["pgrep", "-P", str(process_id)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    held = 0
    for one in (process_id, *map(int, listed.stdout.split())):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        held += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return held


def together(base: httpx.URL, process_id: int, hostile: int, ordinary: int, clients: int) -> list[str]:
    """
    Hostile bodies and ordinary requests at the same time; what was wrong, a sentence each.

    Says on the way how much memory the service holds.
    """
    over = threading.Event()
    with httpx.Client(base_url=base, timeout=SLOWEST_SECONDS) as client:
        traffic = OrdinaryTraffic(client)
        memory: list[int] = []

        def watch() -> None:
            while not over.wait(2):
                memory.append(memory_of(process_id))

        def post_alone() -> Counter[str]:
            with httpx.Client(base_url=base, timeout=SLOWEST_SECONDS) as other:
                return post(other, hostile // clients)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        began = time.perf_counter()
        with ThreadPoolExecutor(2 * clients) as pool:
            try:
                asking = [pool.submit(traffic.ask, ordinary // clients, over) for _ in range(clients)]
                posting = [pool.submit(post_alone) for _ in range(clients)]
                answers = sum((one.result() for one in posting), Counter[str]())
                for one in asking:
                    one.result()
            finally:
                over.set()
        watching.join()
        memory.append(memory_of(process_id))
    took = time.perf_counter() - began
    print(f"{answers.total()} hostile bodies, by status: {dict(sorted(answers.items()))}; both in {took:.0f} s")
    print(*traffic.lines(), sep="\n")
    quarter, end = memory[len(memory) // 4], memory[-1]
    told = f"{quarter / 1e6:.0f} MB after a quarter, {end / 1e6:.0f} MB at the end, {max(memory) / 1e6:.0f} MB at most"
    print(f"memory: {told}")
    failed = sum(count for status, count in (answers + traffic.statuses).items() if status >= "500")
    return [
        *([f"{failed} answers were 5xx"] if failed else []),
        *([f"{wrong} ordinary answers were wrong"] if (wrong := traffic.wrong.total()) else []),
        *(["memory grew"] if end > LEVEL * quarter else []),
    ]


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
    """Run as asked."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bodies", type=int, default=100_000)
    arguments.add_argument("--ordinary", type=int, default=100_000)
    arguments.add_argument("--seconds", type=int, default=300, help="of schemathesis; 0 for none")
    arguments.add_argument("--workers", type=int, default=1, help="of the service, and clients of each kind")
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"CDS_JOURNAL": str(Path(folder) / "journal.sqlite3"), "CDS_WORKERS": str(wanted.workers)}
        with process(Path(folder) / "log", **settings) as (client, running):
            problems = together(client.base_url, running.pid, wanted.bodies, wanted.ordinary, wanted.workers)
            if wanted.seconds:
                ended = schemathesis(client.base_url, wanted.seconds)
                print(ended.stdout)
                problems += ["schemathesis found a server error"] if ended.returncode else []
            print("health:", json.dumps(client.get("/health").json()))
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
