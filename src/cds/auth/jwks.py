"""JSON Web Keys of clients (RFC 7517): pinned, or published at an address, kept for a while and read again in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import anyio
import httpcore
import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey
from joserfc.util import base64_to_int

from cds.compression import decompress
from cds.errors import CdsError, RequestError
from cds.fhir_client.allowlist import literal_address

log = logging.getLogger(__name__)

PublicKey = RSAKey | ECKey
KINDS = ("RSA", "EC")
FEWEST_RSA_BITS = 2048  # NIST SP 800-131A r2
MOST_BYTES = 256_000  # of one set
READ_SECONDS = 3.0
PAUSE_SECONDS = 30.0  # between two readings of one address, however many tokens name a key that is not there
KEPT_SECONDS = 86_400.0  # while their address does not answer


class KeySource(Protocol):
    """Where the keys of one tenant are."""

    async def named(self, kid: str, jku: str | None) -> list[PublicKey]:
        """The keys of this name; none when the token points to an address that is not one of ours."""
        ...


class JwksError(CdsError, ValueError):
    """A JWK set cannot be used; the message says why, without any of it."""


def public_keys(value: object) -> list[PublicKey]:
    """
    The keys of a set that can check a signature, each by its name (`kid`); those of other kinds or uses are left out.

    Raises:
        JwksError: It is not a set, holds a secret, or nothing that can be used.
    """
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise JwksError("it is not a JWK set (an object with a list of keys)")
    if any(isinstance(one, dict) and ("d" in one or "k" in one) for one in listed):
        raise JwksError("it holds a private or shared key; only public ones may leave the client")
    found = [key for one in listed if isinstance(one, dict) and (key := _public_key(one)) is not None]
    if not found:
        raise JwksError("it holds no RSA or EC key for signatures with a kid")
    return found


def _public_key(one: dict[str, Any]) -> PublicKey | None:
    kind, kid = one.get("kty"), one.get("kid")
    if kind not in KINDS or not isinstance(kid, str) or not kid or one.get("use", "sig") != "sig":
        return None
    try:
        # Looked at before the library does: it warns of short keys, and takes them.
        if kind == "RSA" and base64_to_int(one["n"]).bit_length() < FEWEST_RSA_BITS:
            return None
        key = JWKRegistry.import_key(one)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _of_name(keys: Iterable[PublicKey], kid: str) -> list[PublicKey]:
    return [key for key in keys if key.kid == kid]


class PinnedKeySource:
    """Keys that were exchanged beforehand; a token's `jku` is of no interest then, and never followed."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = tuple(keys)

    async def named(self, kid: str, jku: str | None) -> list[PublicKey]:  # noqa: ARG002
        """The keys of this name."""
        return _of_name(self._keys, kid)


class PublishedKeySource:
    """Keys at addresses; a token's `jku` chooses one of them, and leads nowhere else."""

    def __init__(self, addresses: Iterable[JwksEndpoint]) -> None:
        self._addresses = {address.url: address for address in addresses}

    async def named(self, kid: str, jku: str | None) -> list[PublicKey]:
        """The keys of this name, read again when it is not among them."""
        chosen = self._addresses.values() if jku is None else filter(None, [self._addresses.get(jku)])
        for address in chosen:
            if found := await address.named(kid):
                return found
        return []


class JwksEndpoint:
    """
    One JWK set on the web.

    It is read at first use, when it is older than `seconds`, and when a key is asked for that it lacks (a client that
    changed its key), but never twice within `PAUSE_SECONDS`. While the address does not answer, what was read last
    goes on for a day.
    """

    def __init__(
        self, url: str, client: httpx.AsyncClient, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url = url
        self._client = client
        self._seconds = seconds
        self._clock = clock
        self._keys: list[PublicKey] = []
        self._read_at = self._tried_at = float("-inf")
        self._reading = anyio.Lock()

    async def named(self, kid: str) -> list[PublicKey]:
        """The keys of this name."""
        if self._worth_reading(kid):
            async with self._reading:
                if self._worth_reading(kid):  # nobody did meanwhile
                    await self._read()
        return _of_name(self._keys, kid)

    def _worth_reading(self, kid: str) -> bool:
        now = self._clock()
        wanted = now - self._read_at > self._seconds or not _of_name(self._keys, kid)
        return wanted and now - self._tried_at >= PAUSE_SECONDS

    async def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            with anyio.fail_after(READ_SECONDS):
                self._keys = public_keys(msgspec.json.decode(await self._body()))
        except (JwksError, RequestError, TimeoutError, RecursionError) as error:
            self._failed(str(error) or "it takes too long")
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            msgspec.MsgspecError,
        ) as error:
            self._failed(type(error).__name__)
        except UnicodeDecodeError:
            self._failed("it is not UTF-8")
        else:
            self._read_at = self._clock()
            log.info("read %d key(s) from %s", len(self._keys), self.url)

    def _failed(self, why: str) -> None:
        log.error("the keys at %s cannot be read: %s", self.url, why)
        if self._clock() - self._read_at > KEPT_SECONDS:
            self._keys = []

    async def _body(self) -> bytes:
        async with self._client.stream("GET", self.url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:  # a redirect, too: it would lead to an address that nobody listed
                raise JwksError(f"its status is {answer.status_code}")
            return b"".join([part async for part in decompress(answer.headers, answer.aiter_raw(), MOST_BYTES)])


def address_of(text: str) -> str:
    """
    An address that keys may be read from, as it is.

    Raises:
        ValueError: With a sentence that says what is wrong with it.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("this is not a URL") from None
    if not url.host or url.userinfo or url.fragment:
        raise ValueError("an address of keys has a host, and no user name or fragment")
    literal = literal_address(url.host)
    here = literal is not None and literal.is_loopback
    if url.scheme != "https" and not (url.scheme == "http" and here):
        raise ValueError("keys are read over https (http on a loopback address only): who can change them is believed")
    return text
