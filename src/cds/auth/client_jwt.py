"""Client JWT → who is calling, or 401 without a reason (CDS Hooks 2.0.1, "Trusting CDS Clients"; RFC 8725)."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Never

import anyio
from anyio import to_thread
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode
from starlette.types import ASGIApp, Receive, Scope, Send

from cds.api.error_responses import outcome
from cds.auth.jti import JtiStore
from cds.auth.tenants import Tenant
from cds.errors import CdsError

log = logging.getLogger(__name__)

OPEN = frozenset({"/health", "/livez", "/readyz", "/metrics"})  # the last asks for a token of its own
PAGES = ("/static", "/decisions", "/launch", "/console")  # for people: these ask by themselves who it is
BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *")
MOST_BYTES = 16_384  # of a token
STORE_SECONDS = 2.0  # for the store of used tokens; then its calls are left out for a while
LAST_TIME = 253_402_300_800  # the year 10000, where dates end
MOST_SIGNS = 255  # of a jti
SHOWN = 200  # signs of what a client says, in a log
KEY_OF = {"ES": "EC", "RS": "RSA", "PS": "RSA"}


class UntrustedCallerError(CdsError):
    """
    A call is not trusted; the reason is for our log alone.

    Attributes:
        who: What the token says of itself, once that can be read: iss, tenant and jti.
    """

    def __init__(self, why: str, who: str = "") -> None:
        super().__init__(why)
        self.who = who


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who is calling.

    Attributes:
        tenant: Its name in the tenants file.
        issuer: The token's iss.
    """

    tenant: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Leeway:
    """
    How exact clocks are, and how long a token may live; seconds.

    Attributes:
        skew: A client's clock may differ by so much.
        longest: Between iat and exp.
    """

    skew: float = 60.0
    longest: float = 3600.0


class TokenSizeLimits(jws.JWSRegistry):
    """What a token may hold; the library's own limits are for tokens of other purposes."""

    max_header_length = 4096
    max_payload_length = MOST_BYTES


class ClientAuthenticator:
    """Believes tokens that a listed client signed for this service, once each."""

    def __init__(
        self,
        tenants: Iterable[Tenant],
        base: str,
        seen: JtiStore,
        leeway: Leeway = Leeway(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._by_issuer = {issuer: tenant for tenant in tenants for issuer in tenant.issuers}
        self._base = base.rstrip("/")
        self._seen = seen
        self._leeway = leeway
        self._clock = clock

    async def caller(self, authorization: Sequence[bytes], path: str) -> Caller:
        """
        Who sent this, by its Authorization headers and the path that was called.

        Raises:
            UntrustedCallerError: Nobody we know, or not meant for us, or not now, or not for the first time.
        """
        header, claims, token = _read(authorization)
        tenant = self._by_issuer.get(_text(claims, "iss"))
        who = _who(claims, tenant)
        if tenant is None:
            raise UntrustedCallerError("its issuer is not listed", who)
        try:
            self._check_claims(claims, tenant, path)
            await self._check_signature(header, token, tenant)
            until = datetime.fromtimestamp(_time(claims, "exp") + self._leeway.skew, UTC)
            if not await self._first_use(claims["iss"], claims["jti"], until):
                _refuse("it was used before")
        except UntrustedCallerError as refused:
            raise UntrustedCallerError(str(refused), who) from None
        return Caller(tenant.name, claims["iss"])

    async def _first_use(self, issuer: str, token_id: str, until: datetime) -> bool:
        """Whether a token is new; what this process alone remembers, where the store does not answer in time."""
        with anyio.move_on_after(STORE_SECONDS):
            return await to_thread.run_sync(self._seen.first_use, issuer, token_id, until, abandon_on_cancel=True)
        log.error("the store of used tokens does not answer; this process remembers for itself")
        self._seen.pause()
        return True  # had this process seen it, it would have said so without the store

    def _check_claims(self, claims: dict[str, Any], tenant: Tenant, path: str) -> None:
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        meant = tenant.audiences or (self._base, f"{self._base}/", self._base + path)
        if not all(isinstance(one, str) for one in named) or not set(named) & set(meant):
            _refuse("it is for another address (aud)")
        now, skew = self._clock(), self._leeway.skew
        expires, issued = _time(claims, "exp"), _time(claims, "iat")
        if now - skew >= expires:
            _refuse("it has expired (exp)")
        if issued > now + skew:
            _refuse("it was issued in the future (iat)")
        if expires - issued > self._leeway.longest:
            _refuse("it lives too long (exp - iat)")
        if "nbf" in claims and _time(claims, "nbf") > now + skew:
            _refuse("it is not valid yet (nbf)")
        if not 0 < len(_text(claims, "jti")) <= MOST_SIGNS:
            _refuse("it has no usable jti")

    async def _check_signature(self, header: dict[str, Any], token: jws.CompactSignature, tenant: Tenant) -> None:
        algorithm, kid = _text(header, "alg"), _text(header, "kid")
        if algorithm not in tenant.algorithms:
            _refuse("its algorithm is not allowed (alg)")
        if not kid:
            _refuse("it names no key (kid)")
        if "crit" in header or "b64" in header:
            _refuse("it needs an extension that is not understood (crit)")
        if _text(header, "typ", "JWT").upper() != "JWT":
            _refuse("it is not a JWT (typ)")
        jku = _text(header, "jku") if "jku" in header else None
        keys = [k for k in await tenant.keys.named(kid, jku) if k.key_type == KEY_OF[algorithm[:2]]]
        if not keys:
            _refuse("its key is not known (kid, jku)")
        registry = TokenSizeLimits(algorithms=[algorithm], strict_check_header=False)
        for key in keys:
            try:
                if jws.validate_compact(token, key, registry=registry):
                    return
            except (JoseError, ValueError) as error:
                log.debug("a key of tenant %s does not fit: %s", tenant.name, type(error).__name__)
        _refuse("its signature is wrong")


class AuthenticationMiddleware:
    """
    Answers 401 to whomever is not trusted, before anything of the request is read.

    It stands before every address but those in `OPEN` and `PAGES`: one that is added later is guarded from the start.
    """

    def __init__(self, app: ASGIApp, trust: ClientAuthenticator) -> None:
        self.app = app
        self.trust = trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is trusted, with `request.state.caller`."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            try:
                scope.setdefault("state", {})["caller"] = await self.trust.caller(sent, scope["path"])
            except UntrustedCallerError as refused:
                log.warning("not trusted: %s%s", refused, refused.who)
                await _unauthorized()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether anybody may ask for this address, without a token."""
    return path in OPEN or any(path == page or path.startswith(f"{page}/") for page in PAGES)


def _unauthorized() -> ASGIApp:
    """One answer for every reason: it tells a stranger nothing."""
    fix = "Send a JWT as CDS Hooks describes; those who run this service find the reason in its log"
    answer = outcome(401, "login", "This call is not authenticated", fix)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _read(authorization: Sequence[bytes]) -> tuple[dict[str, Any], dict[str, Any], jws.CompactSignature]:
    """Header and claims as they are said, nothing of them checked yet."""
    if not authorization:
        _refuse("there is no Authorization header")
    if len(authorization) > 1 or len(authorization[0]) > MOST_BYTES:
        _refuse("there are several Authorization headers, or a very long one")
    bearer = BEARER.fullmatch(authorization[0])
    if bearer is None:
        _refuse("it is no bearer token of three parts")
    try:
        # Ours before the library's: that one takes the last of two members of a name.
        header = _object(urlsafe_b64decode(bearer[1].split(b".")[0]))
        token = jws.extract_compact(bearer[1], registry=TokenSizeLimits())
        claims = _object(token.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise UntrustedCallerError("it cannot be read") from None
    return header, claims, token


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a member stands twice")
    return read


def _no_constant(_: str) -> Never:
    raise ValueError("not JSON")


def _text(values: dict[str, Any], name: str, default: str = "") -> str:
    value = values.get(name, default)
    return value if isinstance(value, str) else ""


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LAST_TIME:
        _refuse(f"it does not say when ({name})")
    return float(value)


def _who(claims: dict[str, Any], tenant: Tenant | None) -> str:
    """For the log: quoted, so that nothing in it can pass for a line of ours."""
    said = {"iss": _text(claims, "iss"), "jti": _text(claims, "jti")}
    named = ", ".join(f"{name} {value[:SHOWN]!a}" for name, value in said.items() if value)
    return f" ({named}, tenant {tenant.name if tenant else 'none'})"


def _refuse(why: str) -> Never:
    raise UntrustedCallerError(why)
