"""How much at once, and how long: what is too much is said, and nobody waits for a decision that hangs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from cds.decide import Ruleset
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.facts.fact import Facts
from cds.logic.truth import Truth
from cds.settings import Settings
from tests.api.wire import flaws_in_response, issue
from tests.server import ROOT, serving
from tests.shipped import shipped_rules

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
BUNDLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
ORIGIN = "https://ehr.example"


class Slow(Evaluator):
    """A reasoner that does something first."""

    def __init__(self, inner: Evaluator, first: Callable[[], object]) -> None:
        super().__init__({}, (), EvaluatorMode.DIRECT)
        self.inner = inner
        self.first = first

    def conclude(self, facts: Facts) -> dict[str, Truth]:
        self.first()
        return self.inner.conclude(facts)


@pytest.fixture(scope="module")
def loaded() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Nothing hangs for good, whatever a test does."""
    event = threading.Event()
    yield event
    event.set()


def slow(rules: Ruleset, first: Callable[[], object]) -> Ruleset:
    return Ruleset(rules.program, Slow(rules.reasoner, first))


def until(client: httpx.Client, name: str, value: object) -> None:
    """Wait until /health says so."""
    give_up = time.monotonic() + 60
    while client.get("/health").json()[name] != value:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def unavailable(answer: httpx.Response, code: str) -> str:
    """What a 503 says."""
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    said = issue(answer.json())
    assert said["code"] == code
    return str(said["details"]["text"])


@pytest.mark.seconds
def test_what_finds_no_place_in_the_queue_is_refused_and_the_rest_is_answered(
    loaded: Ruleset, go_on: threading.Event
) -> None:
    waits = slow(loaded, lambda: go_on.wait(60))
    with (
        serving(waits, max_concurrency=1, queue_size=2, cors_origins=(ORIGIN,)) as client,
        ThreadPoolExecutor(3) as others,
    ):
        asked = [others.submit(client.post, SERVICE, json=EXAMPLE) for _ in range(3)]
        until(client, "under_way", 3)
        hook = client.post(SERVICE, json=EXAMPLE, headers={"Origin": ORIGIN})
        bundle = client.post("/evaluate", json=BUNDLE)
        discovery = client.get("/cds-services")
        go_on.set()
        answers = [one.result() for one in asked]
        until(client, "under_way", 0)
        again = client.post(SERVICE, json=EXAMPLE)

    assert "Too many" in unavailable(hook, "throttled")
    assert hook.headers["access-control-allow-origin"] == ORIGIN
    unavailable(bundle, "throttled")
    assert discovery.status_code == 200
    for answer in (*answers, again):
        assert flaws_in_response(answer.json()) == []
        assert answer.json()["cards"]


# CPython 3.11 with a tracer goes round at one instruction while an exception is on its way to a thread that waits in C:
# these two would stop the whole process under coverage, so they run in the part without it.
@pytest.mark.slow
def test_a_decision_that_hangs_is_given_up_and_its_thread_stays_counted(
    loaded: Ruleset, go_on: threading.Event
) -> None:
    waits = slow(loaded, lambda: go_on.wait(60))
    with serving(waits, max_concurrency=2, queue_size=0, request_timeout=0.4, fetch_seconds=0.1) as client:
        first = client.post(SERVICE, json=EXAMPLE)
        one_hangs = client.get("/health")
        second = client.post("/evaluate", json=BUNDLE)
        all_hang = client.get("/health")
        third = client.post(SERVICE, json=EXAMPLE)
        go_on.set()
        until(client, "overdue", 0)
        after = client.post(SERVICE, json=EXAMPLE)
        well = client.get("/health")

    for answer in (first, second, third):
        assert "longer than 0.4 seconds" in unavailable(answer, "timeout")
        assert "cards" not in answer.json()
    assert (one_hangs.status_code, one_hangs.json()["overdue"]) == (200, 1)
    assert (all_hang.status_code, all_hang.json()["status"], all_hang.json()["overdue"]) == (503, "stuck", 2)
    assert after.json()["cards"]
    assert (well.status_code, well.json()["under_way"]) == (200, 0)


@pytest.mark.slow  # see above
def test_what_waited_too_long_for_its_turn_is_not_decided_any_more(loaded: Ruleset, go_on: threading.Event) -> None:
    begun: list[int] = []

    def wait() -> None:
        begun.append(1)
        go_on.wait(60)

    with serving(slow(loaded, wait), max_concurrency=1, queue_size=5, request_timeout=0.4, fetch_seconds=0.1) as client:
        answers = [client.post(SERVICE, json=EXAMPLE) for _ in range(3)]
        go_on.set()
        until(client, "overdue", 0)

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert len(begun) == 1


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("limit", "told"),
    [({"max_cpu_seconds": 0.5}, "more than 0.5 seconds of CPU"), ({"request_timeout": 1.5}, "longer than 1.5 seconds")],
)
def test_a_decision_that_computes_without_end_is_stopped_and_its_thread_is_free_again(
    limit: dict[str, float], told: str, loaded: Ruleset, go_on: threading.Event
) -> None:
    begun: list[int] = []

    def compute() -> None:
        begun.append(1)
        while len(begun) == 1 and not go_on.is_set():  # the first one only
            pass

    limits: dict[str, Any] = {"max_concurrency": 1, "queue_size": 4, "fetch_seconds": 0.1} | limit
    with serving(slow(loaded, compute), **limits) as client:
        stopped = client.post(SERVICE, json=EXAMPLE)
        until(client, "overdue", 0)
        after = client.post(SERVICE, json=EXAMPLE)

    assert told in unavailable(stopped, "timeout")
    assert "cards" not in stopped.json()
    assert after.status_code == 200
    assert after.json()["cards"]


@pytest.mark.seconds
def test_a_decision_that_computes_without_end_does_not_stall_the_others(
    loaded: Ruleset, go_on: threading.Event
) -> None:
    heavy = threading.Event()

    def compute() -> None:
        if not heavy.is_set():  # the first one only
            heavy.set()
            while not go_on.is_set():
                pass

    with serving(slow(loaded, compute), max_concurrency=2) as client, ThreadPoolExecutor(1) as others:
        patient = others.submit(client.post, SERVICE, json=EXAMPLE)
        heavy.wait(60)
        health = client.get("/health")
        light = client.post(SERVICE, json=EXAMPLE)
        still = not patient.done()
        go_on.set()
        answer = patient.result()

    assert still
    assert health.status_code == light.status_code == answer.status_code == 200
    assert light.json()["cards"]


@pytest.mark.seconds
def test_a_body_that_never_ends_is_given_up(loaded: Ruleset) -> None:
    go_on = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"{"
        go_on.wait(60)

    with serving(loaded, max_concurrency=1, queue_size=0, request_timeout=0.4, fetch_seconds=0.1) as client:
        with ThreadPoolExecutor(1) as others:
            endless = others.submit(client.post, SERVICE, content=body())
            until(client, "under_way", 1)
            refused = client.post(SERVICE, json=EXAMPLE)
            until(client, "under_way", 0)
            go_on.set()
            answer = endless.result()
        after = client.post(SERVICE, json=EXAMPLE)

    unavailable(refused, "throttled")
    unavailable(answer, "timeout")
    assert after.status_code == 200


@pytest.mark.seconds
def test_what_is_under_way_when_it_is_stopped_is_still_answered(loaded: Ruleset, go_on: threading.Event) -> None:
    with ThreadPoolExecutor(2) as others:
        running = ExitStack()
        client = running.enter_context(serving(slow(loaded, lambda: go_on.wait(60))))
        with httpx.Client(base_url=client.base_url, timeout=30) as ehr:
            asked = others.submit(ehr.post, SERVICE, json=EXAMPLE)
            until(client, "under_way", 1)
            stopped = others.submit(running.close)
            with pytest.raises(httpx.TransportError):
                while True:
                    httpx.get(f"{ehr.base_url}/health")
            still = not asked.done()
            go_on.set()
            answer = asked.result()
            stopped.result()

    assert still
    assert answer.json()["cards"]


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("path", "content", "status"),
    [(SERVICE, b" " * 2000, 413), (SERVICE, b"{", 400), (SERVICE + "x", b"{}", 404), ("/cds-services", b"", 405)],
)
def test_a_browser_may_read_every_refusal(loaded: Ruleset, path: str, content: bytes, status: int) -> None:
    with serving(loaded, max_body_bytes=1000, cors_origins=(ORIGIN,)) as client:
        answer = client.post(path, content=content, headers={"Origin": ORIGIN})
        stranger = client.post(path, content=content, headers={"Origin": "https://stranger.example"})

    assert answer.status_code == stranger.status_code == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in stranger.headers


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("origin", "headers"), [("https://stranger.example", "content-type"), (ORIGIN, "content-type,x-secret")]
)
def test_a_preflight_that_asks_for_too_much_is_refused(loaded: Ruleset, origin: str, headers: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": headers,
    }
    with serving(loaded, cors_origins=(ORIGIN,)) as client:
        answer = client.options(SERVICE, headers=asked)

    assert answer.status_code == 400
    assert "x-secret" not in answer.headers.get("access-control-allow-headers", "")


def test_a_request_must_have_more_time_than_its_fetching() -> None:
    with pytest.raises(ValidationError, match="CDS_FETCH_SECONDS"):
        Settings(fetch_seconds=20, request_timeout=20)
