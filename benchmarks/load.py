"""
Two hundred clients at once against a real server, for a minute: does each get the answer of its own patient?

Every client has a patient of its own, made of an example whose ids all bear the client's number. Its answer is read
once while nobody else calls, and every later answer must be the same, uuids aside. Any 5xx fails the run, 503 included:
with the default settings a queue of this length must hold.

Run: .venv/bin/python -m benchmarks.load [--clients 200] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.api.test_process import process
from tests.moved import example
from tests.server import ROOT

JSON = dict[str, Any]
HOOKS = {
    "patient-view": "/cds-services/ketamine-evaluation",
    "order-sign": "/cds-services/ketamine-evaluation-order-sign",
}
UUID = re.compile(r'"uuid": ?"[0-9a-f-]{36}"')


def patients(count: int) -> list[tuple[str, bytes]]:
    """Address and body for each client; ids of all resources end in the client's number."""
    names = sorted(path.parent.name for path in (ROOT / "fhir_examples").glob("*/request.json"))
    requests = [request for name in names if (request := example(name))["hook"] in HOOKS]
    made = []
    for number in range(count):
        request = requests[number % len(requests)]
        text = json.dumps(request)
        for identity in sorted(ids_in(request), key=len, reverse=True):
            text = re.sub(rf'(["/=]){re.escape(identity)}(["&])', rf"\1{identity}-n{number}\2", text)
        made.append((HOOKS[request["hook"]], text.encode()))
    return made


def ids_in(value: Any) -> set[str]:
    """Ids of all resources, and of the patient in context."""
    found: set[str] = set()
    if isinstance(value, dict):
        if isinstance(value.get("resourceType"), str) and isinstance(value.get("id"), str):
            found.add(value["id"])
        for member in value.values():
            found |= ids_in(member)
    if isinstance(value, list):
        for member in value:
            found |= ids_in(member)
    return found


def strangers_in(answer: str, number: int) -> set[str]:
    """Numbers of other clients in an answer."""
    return set(re.findall(r"-n(\d+)\b", answer)) - {str(number)}


async def load(base: httpx.URL, clients: int, seconds: float) -> tuple[list[float], Counter[str]]:
    """Seconds that each answer took, and what was wrong."""
    wrong: Counter[str] = Counter()
    took: list[float] = []
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=60) as http:
        cases = patients(clients)
        expected = []
        for number, (address, body) in enumerate(cases):
            answer = await http.post(address, content=body)
            assert answer.status_code == 200, answer.text
            assert not strangers_in(answer.text, number)
            expected.append(UUID.sub("", answer.text))
        until = time.perf_counter() + seconds

        async def client(number: int) -> None:
            address, body = cases[number]
            while time.perf_counter() < until:
                began = time.perf_counter()
                try:
                    answer = await http.post(address, content=body)
                except httpx.HTTPError as error:
                    wrong[type(error).__name__] += 1
                    continue
                took.append(time.perf_counter() - began)
                if answer.status_code != 200:
                    wrong[f"status {answer.status_code}"] += 1
                elif strangers_in(answer.text, number):
                    wrong["another patient's answer"] += 1
                elif UUID.sub("", answer.text) != expected[number]:
                    wrong["an answer that was different before"] += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
    return took, wrong


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clients", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=60)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"CDS_JOURNAL": str(Path(folder) / "journal.sqlite3"), "CDS_LOG_LEVEL": "info"}
        with process(Path(folder) / "log", **settings) as (client, _):
            took, wrong = asyncio.run(load(client.base_url, given.clients, given.seconds))
            health = client.get("/health").json()
    took.sort()
    answered = len(took)
    print(f"{given.clients} clients, {given.seconds:g} s: {answered} answers, {answered / given.seconds:.0f} a second")
    for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        print(f"{name} {took[min(answered - 1, int(answered * part))] * 1000:.0f} ms")
    print(f"longest {took[-1] * 1000:.0f} ms")
    print("journal:", json.dumps(health["journal"]))
    print("wrong:", dict(wrong) or "nothing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
