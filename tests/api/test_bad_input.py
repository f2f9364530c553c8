"""Bad input beyond the plain cases of test_routes.py: a 4xx with an OperationOutcome that says what to do."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Request

from cds.api.body import read_body
from cds.api.error_responses import STATUS
from cds.errors import RequestError, TooLargeError
from tests.api.wire import issue
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-01-15"}
ORDER = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": {"text": "sertraline 50 mg tablet"},
}
DEEP = json.loads("[" * 70 + "]" * 70)


def bundle(*resources: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    with serving(max_body_bytes=2_000_000) as running:
        yield running


@pytest.mark.parametrize("address", [SERVICE, "/evaluate"])
@pytest.mark.parametrize(
    "body",
    [
        b"{} {}",
        b'{"hook": "\xff\xfe", "resourceType": "\xff"}',
        '{"hook": "patient-view", "resourceType": "Bundle"}'.encode("utf-16"),
        b'{"hook": "\\ud800", "resourceType": "\\ud800"}',
        b"\x00",
        b'{"a":' * 200_000,
        b'<Bundle xmlns="http://hl7.org/fhir"/>',
    ],
    ids=["two documents", "not UTF-8", "UTF-16", "lone surrogate", "NUL", "deep objects", "XML"],
)
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, address: str, body: bytes) -> None:
    answer = client.post(address, content=body)

    assert answer.status_code in {400, 413}
    assert answer.headers["content-type"] == "application/fhir+json"
    issue(answer.json())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (bundle(PATIENT, ORDER | {"subject": {"reference": "Patient/p2"}}), 400),
        (PATIENT, 400),
        ({"resourceType": 7}, 400),
        (bundle(PATIENT, ORDER | {"extension": DEEP}), 413),
    ],
    ids=["another patient's order", "another resource", "a number as resourceType", "deep nesting"],
)
def test_a_bundle_that_cannot_be_answered_is_refused(client: httpx.Client, body: Any, status: int) -> None:
    answer = client.post("/evaluate", json=body)

    assert answer.status_code == status
    issue(answer.json())


def test_an_unreadable_resource_is_named_and_costs_itself_only(client: httpx.Client) -> None:
    answer = client.post("/evaluate", json=bundle(PATIENT, ORDER | {"status": 7}))

    assert answer.status_code == 200
    (remark,) = answer.json()["data_quality"]
    assert remark["kind"] == "unreadable"
    assert remark["where"].startswith("Bundle.entry[1].resource")


@pytest.mark.parametrize("missing", [None, {}])
def test_without_any_prefetch_every_required_key_is_named(client: httpx.Client, missing: Any) -> None:
    answer = client.post(SERVICE, json=EXAMPLE | {"prefetch": missing})

    assert answer.status_code == 412
    assert "conditions, medicationRequests, patient" in issue(answer.json())["details"]["text"]


@pytest.mark.parametrize("key", ["phq9", "\x00", "", " ", "🙂" * 1000, "../..", "<script>"])
def test_deep_nesting_is_refused_under_any_key(client: httpx.Client, key: str) -> None:
    answer = client.post(SERVICE, json=EXAMPLE | {"prefetch": EXAMPLE["prefetch"] | {key: DEEP}})

    assert answer.status_code == 413
    assert issue(answer.json())["expression"] == [f"prefetch.{key}"]


@pytest.mark.parametrize("today", ["yesterday", "", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_a_day_nobody_can_reckon_with_is_refused(client: httpx.Client, today: str) -> None:
    answer = client.post("/evaluate", params={"today": today}, json=bundle(PATIENT))

    assert answer.status_code == 400
    assert issue(answer.json())["expression"] == ["today"]


@pytest.mark.parametrize("today", ["1900-01-01", "2199-12-31"])
def test_the_first_and_last_day_are_reckoned_with(client: httpx.Client, today: str) -> None:
    body = (ROOT / "fhir_examples" / "bundle.json").read_bytes()

    assert client.post("/evaluate", params={"today": today}, content=body).status_code == 200


# ---------------------------------------------------------------- size and packing


@pytest.mark.parametrize("address", [SERVICE, "/evaluate"])
def test_a_declared_length_over_the_limit_is_refused_before_it_is_read(small: httpx.Client, address: str) -> None:
    host, port = small.base_url.host, small.base_url.port
    head = f"POST {address} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50000000\r\nConnection: close\r\n\r\n"

    with socket.create_connection((host, port or 0), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_at_the_limit_is_read(small: httpx.Client) -> None:
    body = json.dumps(bundle(PATIENT)).encode()

    assert small.post("/evaluate", content=body.ljust(2_000_000)).status_code == 200
    assert small.post("/evaluate", content=body.ljust(2_000_001)).status_code == 413


def test_a_body_that_unpacks_to_the_limit_is_read(small: httpx.Client) -> None:
    body = json.dumps(bundle(PATIENT)).encode()
    packed = {"Content-Encoding": "gzip"}

    assert small.post("/evaluate", content=gzip.compress(body.ljust(2_000_000)), headers=packed).status_code == 200
    assert small.post("/evaluate", content=gzip.compress(body.ljust(2_000_001)), headers=packed).status_code == 413


@pytest.mark.seconds
def test_a_gzip_bomb_is_never_unpacked_whole() -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", b"gzip")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bomb, "more_body": False}

    tracemalloc.start()
    with pytest.raises(TooLargeError):
        asyncio.run(read_body(Request(scope, receive), 1_000_000))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 10_000_000


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (gzip.compress(b"{}"), b"x" * 65_536),
        (bytes.fromhex("1f8b08000000000000ff"), b"\x00\x00\x00\xff\xff" * 13_107),
    ],
    ids=["bytes behind the member", "blocks that unpack to nothing"],
)
def test_gzip_that_never_grows_is_not_read_for_ever(start: bytes, rest: bytes) -> None:
    scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", b"gzip")]}
    chunks = iter([start] + [rest] * 200)
    read_bytes = 0

    async def receive() -> dict[str, Any]:
        nonlocal read_bytes
        chunk = next(chunks, b"")
        read_bytes += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    with pytest.raises(RequestError):
        asyncio.run(read_body(Request(scope, receive), 1_000_000))

    assert read_bytes < 1_100_000


GOOD = gzip.compress(json.dumps(bundle(PATIENT)).encode())


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", GOOD[:-9]),
        ("gzip", GOOD + b"more"),
        ("br", b"{}"),
        ("deflate", b"{}"),
        ("gzip, gzip", GOOD),
    ],
    ids=["nothing", "cut short", "something behind it", "br", "deflate", "twice"],
)
def test_a_body_packed_otherwise_is_refused(client: httpx.Client, encoding: str, body: bytes) -> None:
    answer = client.post("/evaluate", content=body, headers={"Content-Encoding": encoding})

    assert answer.status_code == 400
    issue(answer.json())


# ---------------------------------------------------------------- addresses, methods, statuses


@pytest.mark.parametrize("identity", ["..%2F..", "🙂", "feedback"])
def test_an_unknown_service_is_not_found(client: httpx.Client, identity: str) -> None:
    answer = client.post(f"/cds-services/{identity}", json=EXAMPLE)

    assert answer.status_code == 404
    issue(answer.json())


@pytest.mark.parametrize(
    ("method", "address"), [("GET", SERVICE), ("PUT", "/evaluate"), ("DELETE", "/cds-services"), ("OPTIONS", "/health")]
)
def test_another_method_is_told_which_one_to_use(client: httpx.Client, method: str, address: str) -> None:
    answer = client.request(method, address)

    assert answer.status_code == 405
    assert answer.headers["allow"] in issue(answer.json())["diagnostics"]


@pytest.mark.parametrize("address", ["/nowhere", "/cds-services/", "/cds-services/a/b"])
def test_an_unknown_address_is_not_found_and_never_redirected(client: httpx.Client, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 404
    issue(answer.json())


def test_every_kind_of_refusal_has_a_status_and_the_page_lists_it() -> None:
    page = (ROOT / "docs" / "integrators" / "errors.md").read_text()

    assert STATUS.keys() >= set(RequestError.__subclasses__())
    for status in {status for status, _ in STATUS.values()}:
        assert f"| {status} |" in page


@pytest.mark.seconds
@pytest.mark.parametrize(("blank", "status"), [(True, 413), (False, 200)])
def test_gzip_that_unpacks_to_far_more_than_data_would_is_refused(
    client: httpx.Client, blank: bool, status: int
) -> None:
    """45 kB that become 22 MB are no chart; numbers pack to about a third."""
    body = json.dumps(bundle(PATIENT)).encode()
    blanks = b" " * 5_000_000 if blank else json.dumps(list(range(700_000))).encode()
    packed = gzip.compress(body[:-1] + b', "x": ' + (b"1" + blanks if blank else blanks) + b"}")

    answer = client.post("/evaluate", content=packed, headers={"Content-Encoding": "gzip"})

    assert answer.status_code == status
    if status == 413:
        assert "100 times" in issue(answer.json())["details"]["text"]
