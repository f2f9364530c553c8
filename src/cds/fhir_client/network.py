"""Connections to FHIR servers: a name is resolved once, and only an address that was checked is connected to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio
import httpcore
import httpx

from cds import __version__
from cds.errors import CdsError
from cds.fhir_client.allowlist import ServerAllowlist, literal_address

MOST_CONNECTIONS = 100
MOST_IDLE = 20


class BlockedAddressError(CdsError, httpcore.ConnectError):
    """A name leads only to addresses that must not be connected to."""


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """
    Connects to allowed addresses only.

    The check and the connection use one answer of the resolver, so a name that changes between them (DNS rebinding)
    gains nothing. TLS still verifies the certificate for the name. A host that is an address itself stands on the
    allowlist as such: the caller has checked the URL.
    """

    def __init__(self, servers: ServerAllowlist) -> None:
        self._servers = servers
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that takes one."""
        refused: Exception = BlockedAddressError("no address of this name may be connected to")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused

    async def _addresses(self, host: str, port: int) -> list[str]:
        if literal_address(host) is not None:
            return [host]
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name does not resolve") from None
        listed = dict.fromkeys(str(where[0]) for *_, where in found)
        return [
            text
            for text in listed
            if (address := literal_address(text)) is not None and self._servers.may_connect(address)
        ]


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class CheckedTransport(httpx.AsyncBaseTransport):
    """httpx over a pool of checked connections; HTTP/1.1. Raises httpcore's exceptions."""

    def __init__(self, servers: ServerAllowlist) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_IDLE,
            keepalive_expiry=5.0,
            network_backend=CheckedNetwork(servers),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        assert isinstance(request.stream, AsyncIterable)  # noqa: S101 (an asynchronous client makes no other)
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


def client_for(servers: ServerAllowlist, seconds: float) -> httpx.AsyncClient:
    """
    A client that keeps nothing of one caller for the next: no cookies, no redirects, no proxy or login of the
    environment (either would go round the check).
    """
    return httpx.AsyncClient(
        transport=CheckedTransport(servers),
        timeout=seconds,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={
            "Accept": "application/fhir+json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"thirdline/{__version__}",
        },
    )
