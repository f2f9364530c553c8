"""A connection goes to an address that was checked, whatever the name leads to a moment later."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import anyio
import httpcore
import pytest

from cds.fhir_client.allowlist import ServerAllowlist, network
from cds.fhir_client.network import BlockedAddressError, CheckedNetwork, client_for
from tests.fhir_server import FhirServer, fhir_server

INSIDE = ServerAllowlist((), (network("127.0.0.0/8"),))


class Names:
    """A resolver whose answer changes with every question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        family = socket.SOCK_STREAM
        return [(socket.AF_INET, family, 0, "", (address, port)) for address in self.answers.pop(0)]


def get(servers: ServerAllowlist, url: str) -> int:
    async def call() -> int:
        async with client_for(servers, 5) as client:
            return (await client.get(url)).status_code

    return asyncio.run(call())


def port_of(fhir: FhirServer) -> str:
    return fhir.base.split(":")[2].split("/")[0]


@pytest.mark.seconds
def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(["10.0.0.1", "127.0.0.1"], ["10.0.0.1"])
    monkeypatch.setattr(anyio, "getaddrinfo", names)
    with fhir_server() as fhir:
        assert get(INSIDE, f"http://fhir.example:{port_of(fhir)}/fhir/Patient/nobody") == 404

    assert len(names.answers) == 1
    assert fhir.seen[0].headers["host"].startswith("fhir.example:")


@pytest.mark.seconds
def test_the_next_address_is_tried_when_one_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anyio, "getaddrinfo", Names(["127.0.0.2", "127.0.0.1"]))
    with fhir_server() as fhir:
        assert get(INSIDE, f"http://fhir.example:{port_of(fhir)}/fhir/Patient/nobody") == 404


@pytest.mark.seconds
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "not-an-address"])
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(anyio, "getaddrinfo", Names([address]))
    with fhir_server() as fhir, pytest.raises(BlockedAddressError):
        get(ServerAllowlist(), f"http://fhir.example:{port_of(fhir)}/fhir")

    assert fhir.seen == []


def test_a_name_that_does_not_resolve_is_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(httpcore.ConnectError):
        asyncio.run(CheckedNetwork(ServerAllowlist()).connect_tcp("nowhere.invalid", 443))


@pytest.mark.seconds
def test_a_proxy_or_login_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with fhir_server() as fhir, fhir_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base.removesuffix("/fhir"))
        monkeypatch.setenv("ALL_PROXY", proxy.base.removesuffix("/fhir"))
        assert get(INSIDE, f"{fhir.base}/Patient/nobody") == 404

    assert proxy.seen == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for fhir.example that nobody has reason to trust, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "fhir.example.pem"
    make = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=fhir.example", "-addext", "subjectAltName=DNS:fhir.example", "-keyout", str(tmp_path / "key"),
        "-out", str(path),
    ]  # fmt: skip
    subprocess.run(make, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "key").read_text())
    return path


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("name", "trusted", "taken"),
    [
        ("fhir.example", True, True),
        ("other.example", True, False),
        ("fhir.example", False, False),
    ],
)
def test_the_certificate_is_verified_for_the_name(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, name: str, trusted: bool, taken: bool
) -> None:
    monkeypatch.setattr(anyio, "getaddrinfo", Names(["127.0.0.1"]))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with fhir_server(certificate) as fhir:
        url = f"https://{name}:{port_of(fhir)}/fhir/Patient/nobody"
        if taken:
            assert get(INSIDE, url) == 404
        else:
            with pytest.raises(httpcore.ConnectError):
                get(INSIDE, url)

    assert len(fhir.seen) == int(taken)
