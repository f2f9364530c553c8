"""A real server process, and callers that sign their requests, or do not need to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.callers import BASE, Ehr, key_set, sandbox
from tests.api.test_process import process
from tests.fhir_server import FhirServer, fhir_server, resources_in
from tests.moved import example

JSON = dict[str, Any]
ORIGIN = "https://sandbox.example"


@dataclass(frozen=True)
class Caller:
    """
    One way to call the service; the whole suite runs once for each.

    Attributes:
        name: For the names of tests.
        environment: Settings of the server that make it expect such callers, their files written to a folder.
        sign: URL that is called → headers that show who calls.
    """

    name: str
    environment: Callable[[Path], Mapping[str, str]] = lambda folder: {}
    sign: Callable[[str], Mapping[str, str]] = lambda url: {}


def signing(name: str, ehr: Ehr) -> Caller:
    """One that signs every call, discovery and feedback included, with a token of its own for each."""

    def expected(folder: Path) -> Mapping[str, str]:
        tenants = folder / "tenants.yaml"
        tenants.write_text(
            json.dumps({"tenants": [{"name": name, "issuers": [ehr.issuer], "keys": {"set": key_set(ehr.key)}}]})
        )
        return {"CDS_TENANTS": str(tenants), "CDS_PUBLIC_URL": BASE}

    return Caller(name, expected, lambda url: ehr.bearer(urlsplit(url).path))


CALLERS = [Caller("anybody"), signing("sandbox", sandbox())]


@dataclass(frozen=True)
class Running:
    """
    The server under test.

    Attributes:
        client: Calls it, signed.
        fhir: A FHIR server it may read from.
        log: What it wrote.
        signed: Whether it asks who calls.
    """

    client: httpx.Client
    fhir: FhirServer
    log: Path
    signed: bool


class Signing(httpx.Auth):
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers.update(self._caller.sign(str(request.url)))
        yield request


@pytest.fixture(scope="session", params=CALLERS, ids=lambda caller: caller.name)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("conformance") / "log"
    with fhir_server(resources=resources_in(example("01-two-failed-trials")["prefetch"])) as fhir:
        settings = {
            "CDS_LOG_LEVEL": "debug", "CDS_CORS_ORIGINS": ORIGIN, "CDS_FHIR_SERVERS": fhir.base,
            "CDS_JOURNAL": str(log.with_name("journal.sqlite3")),
        }  # fmt: skip
        with process(log, **settings, **request.param.environment(log.parent)) as (client, _):
            client.auth = Signing(request.param)
            yield Running(client, fhir, log, bool(request.param.sign("")))


@pytest.fixture
def client(running: Running) -> httpx.Client:
    return running.client


@pytest.fixture
def fhir(running: Running) -> FhirServer:
    running.fhir.seen.clear()
    running.fhir.instead.clear()
    return running.fhir


@pytest.fixture(scope="session")
def services(running: Running) -> list[JSON]:
    """What discovery lists."""
    listed: list[JSON] = running.client.get("/cds-services").json()["services"]
    return listed
