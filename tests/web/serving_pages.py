"""A service that keeps what it decided from, so that cards have a page; and calls whose pages one wants to see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
KEEP = RetentionPeriods(receipts=100, comments=10, inputs=5)


def example(name: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((ROOT / "fhir_examples" / name / "request.json").read_text())
    return request


@contextmanager
def keeping(folder: Path, **settings: Any) -> Iterator[httpx.Client]:
    """The service with a journal that keeps inputs."""
    journal = Journal(Store(str(folder / "journal.sqlite3")), KEEP)
    with serving(journal=journal, **settings) as client:
        yield client


def page_of(client: httpx.Client, request: dict[str, Any], service: str = SERVICE) -> str:
    """The address behind the first card of a call, once the journal has the decision."""
    answer = client.post(service, json=request)
    assert answer.status_code == 200, answer.text
    address = str(answer.json()["cards"][0]["links"][-1]["url"])
    give_up = time.monotonic() + 30
    while client.get(address).status_code == 404 and time.monotonic() < give_up:
        time.sleep(0.02)
    return address
