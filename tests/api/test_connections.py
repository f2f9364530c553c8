"""What a stranger's connection may cost: no half request, large head or stalled body keeps others from an answer."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from cds.decide import Ruleset
from tests.api.wire import issue
from tests.server import ROOT, serving
from tests.shipped import shipped_rules

SERVICE = "/cds-services/ketamine-evaluation"
FEEDBACK = f"{SERVICE}/feedback"
EXAMPLE = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()


@pytest.fixture(scope="module")
def loaded() -> Ruleset:
    return shipped_rules()


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=30)


def answer_on(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and OperationOutcome, once the connection is closed."""
    said = b""
    while part := connection.recv(65536):
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), issue(json.loads(body))


@pytest.mark.seconds
@pytest.mark.parametrize("sent", [b"", b"GET /cds-services HTTP/1.1\r\nHost: x\r\n", b"POST "])
def test_half_a_head_is_given_up(sent: bytes, loaded: Ruleset) -> None:
    with serving(loaded, head_timeout=0.3) as client, connect(client) as half:
        half.sendall(sent)
        status, said = answer_on(half)
        assert client.post(SERVICE, content=EXAMPLE).status_code == 200

    assert (status, said["code"]) == (408, "timeout")


@pytest.mark.seconds
@pytest.mark.parametrize("address", [SERVICE, FEEDBACK, "/evaluate", "/console/playground", "/health"])
@pytest.mark.parametrize("kind", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_stalls_is_given_up_at_every_address(address: str, kind: str, loaded: Ruleset) -> None:
    with serving(loaded, body_timeout=0.3, console=True) as client, connect(client) as stalled:
        stalled.sendall(
            f"POST {address} HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}\r\n{kind}\r\n\r\n".encode()
        )
        began = time.monotonic()
        said = stalled.recv(65536)
        assert time.monotonic() - began < 20
        assert client.post(SERVICE, content=EXAMPLE).status_code == 200

    assert int(said.split()[1]) in {403, 405, 408, 501}


@pytest.mark.seconds
def test_a_body_that_trickles_is_given_up(loaded: Ruleset) -> None:
    with serving(loaded, body_timeout=0.5) as client, connect(client) as slow:
        slow.sendall(f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
        slow.settimeout(0.05)
        give_up = time.monotonic() + 30
        said = b""
        while not said and time.monotonic() < give_up:
            slow.sendall(b" ")
            try:
                said = slow.recv(65536)
            except TimeoutError:
                continue

    assert said.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * 2_000_000,
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 8_000 + b"\r\n",
    ],
    ids=["one header", "a header without end", "an address", "many headers"],
)
def test_a_head_beyond_the_limit_is_refused(head: bytes, client: httpx.Client) -> None:
    with connect(client) as large:
        try:
            large.sendall(head)
            status, said = answer_on(large)
        except ConnectionError:  # cut while it was still sending
            status, said = 431, {"code": "too-long"}

    assert (status, said["code"]) == (431, "too-long")


def test_a_head_within_the_limit_is_read(client: httpx.Client) -> None:
    assert client.get("/health", headers={"X-Large": "a" * 30_000}).status_code == 200


def test_what_is_no_http_is_refused_with_an_outcome(client: httpx.Client) -> None:
    with connect(client) as stranger:
        stranger.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        status, said = answer_on(stranger)

    assert (status, said["code"]) == (400, "structure")


@pytest.mark.seconds
def test_half_requests_do_not_keep_anybody_out(loaded: Ruleset) -> None:
    with serving(loaded, max_connections=20) as client, ExitStack() as open_:
        for _ in range(100):
            half = open_.enter_context(connect(client))
            half.sendall(b"GET /cds-services HTTP/1.1\r\n")
        for _ in range(3):
            answer = httpx.post(f"{str(client.base_url).rstrip('/')}{SERVICE}", content=EXAMPLE)
            assert answer.status_code == 200


@pytest.mark.seconds
def test_connections_that_are_kept_without_use_make_way(loaded: Ruleset) -> None:
    with serving(loaded, max_connections=5) as client, ExitStack() as open_:
        others = [open_.enter_context(httpx.Client(base_url=client.base_url)) for _ in range(20)]
        assert [other.get("/health").status_code for other in others] == [200] * 20
        assert client.post(SERVICE, content=EXAMPLE).status_code == 200


def test_many_requests_ahead_of_their_answers_are_cut(client: httpx.Client) -> None:
    with connect(client) as eager:
        eager.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
        said = b""
        while part := eager.recv(65536):
            said += part

    assert said.count(b"HTTP/1.1 ") < 100
    assert client.get("/health").status_code == 200


def test_a_head_in_many_small_parts_and_the_request_after_it_are_read(client: httpx.Client) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " + b"a" * 25_000 + b"\r\n\r\n"
    with connect(client) as patient:
        for _ in range(2):
            for start in range(0, len(head), 1_000):
                patient.sendall(head[start : start + 1_000])
            said = patient.recv(65536)
            assert said.startswith(b"HTTP/1.1 200")


def test_a_large_body_is_no_large_head(client: httpx.Client) -> None:
    for _ in range(2):
        assert client.post(SERVICE, content=b" " * 1_000_000).status_code == 400
