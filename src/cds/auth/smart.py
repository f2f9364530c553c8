"""SMART App Launch 2.2, the part of the app: discovery, the address to authorize at, code → token. Reads over HTTP."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpcore
import httpx
import msgspec

from cds.errors import CdsError
from cds.fhir_client.allowlist import ServerAllowlist, literal_address
from cds.locale.sentence import say
from cds.rulebook.compiled_ruleset import Prefetch

log = logging.getLogger(__name__)
MOST_BYTES = 200_000  # of a discovery document or a token response
CONFIGURATION = ".well-known/smart-configuration"
SHOWN = 80  # signs of what a server says, in a log


class LaunchError(CdsError):
    """A launch cannot go on; the message says why, in words for the person who opened it."""


@dataclass(frozen=True, slots=True)
class SmartClient:
    """
    This app as it is registered with one organisation's EHR.

    Attributes:
        client_id: Given at registration.
        secret: Given with it to a confidential client; None for a public one.
    """

    client_id: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SmartRegistration:
    """An organisation whose EHR may launch: its tenant, its FHIR servers, and how we are known there."""

    tenant: str
    servers: ServerAllowlist
    app: SmartClient


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """What a FHIR server says of its authorization (SMART App Launch 2.2, "Conformance")."""

    authorization_endpoint: str
    token_endpoint: str
    v2: bool


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """
    A token response, as far as it is read.

    Attributes:
        access_token, patient: The token, and whose chart is open.
        app_context: What the card's link said; "" for nothing.
        scope: What was granted; "" where the server does not say, which is nothing.
        seconds: How long the token is good for; 0 where the server does not say.
    """

    access_token: str = field(repr=False)
    patient: str = field(repr=False)
    app_context: str
    scope: str = ""
    seconds: float = 0

    def may_create(self, kind: str) -> bool:
        """
        Whether it gives leave to create a kind of resource of this patient, in scopes of v1 (`.write`) or v2 (`.c`).

        A scope that is limited to some resources counts: the server says what it takes.
        """
        return any(_may_create(one, kind) for one in self.scope.split())


class _Discovery(msgspec.Struct):
    authorization_endpoint: str
    token_endpoint: str
    code_challenge_methods_supported: list[str] | None = None
    capabilities: list[str] | None = None


class _TokenResponse(msgspec.Struct):
    access_token: str
    token_type: str
    patient: str | None = None
    scope: str | None = None
    expires_in: float | None = None
    appContext: Any = None  # noqa: N815 (the specification's name)


def new_secret() -> str:
    """A state, or a code verifier: 43 characters of RFC 7636 §4.1, 256 bits."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def scopes_for(prefetch: Iterable[Prefetch], *, v2: bool, creates: Iterable[str] = ()) -> str:
    """
    `launch`, and leave to read each kind of data that is asked for; nothing of the user.

    Leave to write is asked for the kinds of `creates` alone: to create, which v1 cannot tell from to change.
    """
    kinds = sorted({one.query.partition("?")[0].partition("/")[0] for one in prefetch} | {"Medication"})
    reads = [f"patient/{kind}.{'rs' if v2 else 'read'}" for kind in kinds]
    return " ".join(["launch", *reads, *(f"patient/{kind}.{'c' if v2 else 'write'}" for kind in creates)])


async def configuration_of(client: httpx.AsyncClient, base: httpx.URL, servers: ServerAllowlist) -> SmartConfiguration:
    """
    What a FHIR server of the allowlist says of its authorization.

    Raises:
        LaunchError: It does not say it, or names what must not be used.
    """
    address = httpx.URL(f"{str(base).rstrip('/')}/{CONFIGURATION}")
    try:
        body = await _read(client, client.build_request("GET", address, headers={"Accept": "application/json"}), 200)
        found = msgspec.json.decode(body, type=_Discovery)
    except (LaunchError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("no usable SMART configuration at %s: %s", base.host, type(error).__name__)
        raise LaunchError(say("The EHR does not say how to sign in")) from None
    methods = found.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise LaunchError(say("The EHR does not take PKCE with S256, without which no launch is safe"))
    for endpoint in (found.authorization_endpoint, found.token_endpoint):
        _refuse_unsafe(endpoint, base)
    _refuse_unreachable(found.token_endpoint, base, servers)
    return SmartConfiguration(
        found.authorization_endpoint, found.token_endpoint, "permission-v1" not in (found.capabilities or ())
        or "permission-v2" in (found.capabilities or ()),
    )  # fmt: skip


def authorize_at(
    configuration: SmartConfiguration,
    app: SmartClient,
    *,
    scope: str,
    redirect_uri: str,
    launch: str,
    audience: str,
    state: str,
    challenge: str,
) -> str:
    """The address at which the EHR is asked for leave (SMART App Launch 2.2, "Obtain authorization code")."""
    parameters = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": redirect_uri,
        "launch": launch,
        "scope": scope,
        "state": state,
        "aud": audience,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return str(httpx.URL(configuration.authorization_endpoint).copy_merge_params(parameters))


async def token_for(
    client: httpx.AsyncClient,
    configuration: SmartConfiguration,
    app: SmartClient,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
) -> TokenGrant:
    """
    A code, once, for a token and the patient in context (SMART App Launch 2.2, "Obtain access token").

    Raises:
        LaunchError: The EHR did not give them.
    """
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
    }  # fmt: skip
    headers = {"Accept": "application/json"}
    if app.secret is None:
        form["client_id"] = app.client_id
    else:
        headers["Authorization"] = _basic(app.client_id, app.secret)
    try:
        request = client.build_request("POST", configuration.token_endpoint, data=form, headers=headers)
        found = msgspec.json.decode(await _read(client, request, 200), type=_TokenResponse)
    except (LaunchError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("no token: %s", type(error).__name__)
        raise LaunchError(say("The EHR gave no leave to read the chart")) from None
    if found.token_type.lower() != "bearer":
        raise LaunchError(say("The EHR gave a token of a kind that is not used here"))
    if not found.patient:
        raise LaunchError(say("The EHR did not say which patient's chart is open"))
    return TokenGrant(
        found.access_token,
        found.patient,
        found.appContext if isinstance(found.appContext, str) else "",
        found.scope or "",
        max(0.0, found.expires_in or 0.0),
    )


def _may_create(scope: str, kind: str) -> bool:
    context, _, rest = scope.partition("/")
    of, _, may = rest.partition("?")[0].partition(".")
    if context not in ("patient", "user") or of not in (kind, "*"):
        return False
    return may in ("write", "*") or (may.startswith("c") and not set(may) - set("cruds"))


def _basic(name: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both are form-encoded before they are joined."""
    return "Basic " + base64.b64encode(f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()).decode()


def _refuse_unsafe(endpoint: str, base: httpx.URL) -> None:
    """Not in the clear, unless the FHIR server itself is read so (a trial on one machine)."""
    try:
        url = httpx.URL(endpoint)
    except (httpx.InvalidURL, ValueError):
        raise LaunchError(say("The EHR names an address to sign in at that is none")) from None
    if not url.host or url.userinfo or url.fragment or url.scheme not in {"https", base.scheme}:
        raise LaunchError(say("The EHR names an address to sign in at that is not safe"))


def _refuse_unreachable(endpoint: str, base: httpx.URL, servers: ServerAllowlist) -> None:
    """
    An address written as numbers is not checked again when it is connected to.

    So it must be the FHIR server's own, or one that names may lead to.
    """
    url = httpx.URL(endpoint)
    address = literal_address(url.host)
    if address is not None and url.host != base.host and not servers.may_connect(address):
        raise LaunchError(say("The EHR names an address to sign in at that is not allowed here"))


async def _read(client: httpx.AsyncClient, request: httpx.Request, status: int) -> bytes:
    """The body of an answer with that status, up to a limit."""
    try:
        answer = await client.send(request, stream=True)
        try:
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise LaunchError(say("it is too large"))
        finally:
            await answer.aclose()
    except (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError):
        raise LaunchError(say("it could not be read")) from None
    if answer.status_code != status:
        log.info("SMART: %s answered %d", request.url.host, answer.status_code)
        raise LaunchError(say("it was refused"))
    return body


def context_of(text: str) -> Mapping[str, Any]:
    """What a card's link said of the decision it stands on; empty for anything else."""
    try:
        found = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
