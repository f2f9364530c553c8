"""When we are wrong, and what is never logged."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cds.decide import Ruleset
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.facts.fact import Facts
from cds.logic.truth import Truth
from tests.api.wire import issue
from tests.server import ROOT, serving
from tests.shipped import shipped_program

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
ORIGIN = "https://sandbox.example"
NAME = "Quackenbush"


class Failing(Evaluator):
    """A reasoner that does something, and fails."""

    def __init__(self, first: Callable[[], object]) -> None:
        super().__init__({}, (), EvaluatorMode.DIRECT)
        self.first = first

    def conclude(self, facts: Facts) -> dict[str, Truth]:
        self.first()
        raise RuntimeError(f"{NAME} was born on 1980-01-15")


def failing(first: Callable[[], object] = dict) -> Ruleset:
    return Ruleset(shipped_program(), Failing(first))


@pytest.mark.seconds
def test_a_failure_is_never_an_empty_list_and_a_browser_may_read_it(caplog: pytest.LogCaptureFixture) -> None:
    with serving(failing(), cors_origins=(ORIGIN,)) as client:
        answer = client.post(SERVICE, json=EXAMPLE, headers={"Origin": ORIGIN})

    assert answer.status_code == 500
    issue(answer.json())
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "failed: RuntimeError at test_trust.py" in caplog.text
    assert NAME not in caplog.text + answer.text


@pytest.mark.seconds
def test_health_answers_while_decisions_are_under_way() -> None:
    go_on = threading.Event()
    with serving(failing(lambda: go_on.wait(30))) as client, ThreadPoolExecutor(4) as others:
        waiting = [others.submit(client.post, SERVICE, json=EXAMPLE) for _ in range(4)]
        health = client.get("/health", timeout=10)
        still_waiting = [not one.done() for one in waiting]
        go_on.set()

    assert health.status_code == 200
    assert all(still_waiting)


def requests_that_go_wrong() -> list[tuple[str, Any]]:
    """Each in its own way, with a name everywhere a name can be."""
    whom = {"resourceType": "Patient", "id": NAME, "name": [{"family": NAME}], "text": {"div": NAME}}
    order = {"resourceType": "MedicationRequest", "id": NAME, "status": NAME, "authoredOn": [NAME]}
    entry = [{"resource": whom}, {"resource": order}]
    prefetch = EXAMPLE["prefetch"]
    return [
        ("/evaluate", json.dumps({"resourceType": "Bundle", "entry": entry})),
        ("/evaluate", json.dumps({"resourceType": "Bundle", "entry": [*entry, {"resource": whom | {"id": "p2"}}]})),
        ("/evaluate", json.dumps({"resourceType": NAME})),
        ("/evaluate", json.dumps({"name": NAME})[:-1]),
        (f"/evaluate?today={NAME}", "{}"),
        (f"/evaluate?service={NAME}", "{}"),
        (f"/cds-services/{NAME}", "{}"),
        (f"/{NAME}", "{}"),
        (SERVICE, json.dumps(EXAMPLE | {"prefetch": prefetch | {"patient": whom}})),
        (SERVICE, json.dumps(EXAMPLE | {"prefetch": prefetch | {NAME: {"resourceType": NAME, "id": 7}}})),
        (SERVICE, json.dumps(EXAMPLE | {"hook": NAME})),
        (SERVICE, json.dumps(EXAMPLE | {"context": {"patientId": NAME}, "prefetch": {}})),
    ]


@pytest.mark.parametrize(("address", "body"), requests_that_go_wrong())
def test_no_name_id_token_or_body_is_logged(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, address: str, body: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="cds")
    caplog.set_level(logging.DEBUG, logger="uvicorn.error")

    client.post(address, content=body, headers={"Authorization": f"Bearer {NAME}"})

    logged = [r.getMessage() for r in caplog.records if r.name.startswith("cds") or r.name == "uvicorn.error"]
    assert [line for line in logged if NAME in line] == []
