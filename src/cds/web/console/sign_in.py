"""Signing in to the console by OpenID Connect; the one door of authlib."""

from __future__ import annotations

import hashlib
import hmac
import logging
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware

from cds.errors import NotAllowedError, SignInDownError
from cds.locale.sentence import say
from cds.settings import Settings
from cds.web.console.sessions import ConsoleSession, now
from cds.web.console.urls import CALLBACK, HOME
from cds.web.console.users import said_of

with warnings.catch_warnings():
    # It would rather have another HTTP client than the one we use everywhere (docs/developers/decisions.md).
    import authlib.deprecate

    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client._compat import httpx2 as http  # whichever it has found
    from authlib.integrations.starlette_client import OAuth

log = logging.getLogger(__name__)

SESSION_SECONDS = 3600  # signed in for so long; then the provider is asked again, which most do not show
WAY_SECONDS = 600  # from here to the provider and back
SKEW_SECONDS = 60
COOKIE = "thirdline_sign_in"
WAIT_SECONDS = 5.0  # for one answer of the provider
# Signatures of two keys only: none and HMAC are not believed, whatever the provider says it uses.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class SignIn:
    """OpenID Connect, authorization code flow with PKCE; a signed cookie holds a sign-in that is under way."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.oidc_client_secret
        self._secret = secret.get_secret_value() if secret is not None else ""
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._base = settings.public_url or f"http://{settings.host}:{settings.port}"
        self._client = OAuth().register(
            "console",
            client_id=self._client_id,
            client_secret=self._secret,
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256", "timeout": WAIT_SECONDS},
        )

    def add_to(self, app: FastAPI) -> None:
        """
        Let requests have the cookie of a sign-in under way.

        The key is made of the client's secret: every process has it.
        """
        secure = self._base.startswith("https://")
        key = hmac.new(self._secret.encode(), b"sign-in to the console", hashlib.sha256).hexdigest()
        app.add_middleware(
            SessionMiddleware,
            secret_key=key,
            # With __Host- no other host of the domain can set it (RFC 6265bis §4.1.3.2); that needs the path "/".
            session_cookie=f"__Host-{COOKIE}" if secure else COOKIE,
            max_age=WAY_SECONDS,
            path="/" if secure else HOME,
            same_site="lax",
            https_only=secure,
        )

    async def begin(self, request: Request) -> Response:
        """
        Send somebody to the provider.

        Raises:
            SignInDownError: It cannot be reached, or is another than the settings say.
        """
        request.session.clear()
        await self._provider()
        answer: Response = await self._client.authorize_redirect(request, self._base + CALLBACK)
        request.session["next"] = _inside(request.query_params.get("next", ""))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def finish(self, request: Request) -> tuple[ConsoleSession, str]:
        """
        Whom the provider sends back, and the page they wanted to see; whether they may is not asked here.

        Raises:
            NotAllowedError: What came back proves nothing.
            SignInDownError: The provider cannot be reached.
        """
        following = _inside(str(request.session.get("next", "")))
        await self._provider()
        options = {"iss": {"essential": True, "value": self._issuer}, "aud": {"values": [self._client_id]}}
        try:
            token = await self._client.authorize_access_token(request, claims_options=options, leeway=SKEW_SECONDS)
            claims = token.get("userinfo") if isinstance(token, dict) else None
        except (AuthlibBaseError, JoseError, ValueError, TypeError, KeyError) as refused:
            log.warning("sign-in refused: %s", type(refused).__name__)
            claims = None
        except (http.HTTPError, RuntimeError) as error:
            raise _down(error) from None
        request.session.clear()
        if not claims:
            raise NotAllowedError(
                say("This sign-in could not be confirmed"), fix=say("Start again at {page}", page=HOME)
            )
        who = str(claims.get("name") or claims.get("email") or claims["sub"])[:100]
        return ConsoleSession(who, said_of(claims), now() + timedelta(seconds=SESSION_SECONDS)), following

    async def end_address(self) -> str:
        """Where the provider lets people sign out of itself; "" where it says none."""
        try:
            found = (await self._provider()).get("end_session_endpoint")
        except SignInDownError:
            return ""
        return found if isinstance(found, str) and found.startswith(("https://", "http://")) else ""

    async def _provider(self) -> Mapping[str, Any]:
        """
        What the provider says of itself.

        Raises:
            SignInDownError: It cannot be read, or names another issuer than the settings.
        """
        try:
            found: dict[str, Any] = await self._client.load_server_metadata()
        except (http.HTTPError, RuntimeError, ValueError, TypeError) as error:
            raise _down(error) from None
        if found.get("issuer") != self._issuer:
            self._client.server_metadata.clear()  # to be read again
            log.error("the provider of CDS_OIDC_ISSUER names another issuer")
            raise SignInDownError(
                say("Sign-in does not work now"), fix=say("Tell those who run this service: CDS_OIDC_ISSUER is wrong")
            )
        listed = found.get("id_token_signing_alg_values_supported")
        known = [name for name in listed if name in ALGORITHMS] if isinstance(listed, list) else []
        found["id_token_signing_alg_values_supported"] = known or ["RS256"]
        return found


def _down(error: Exception) -> SignInDownError:
    log.error("the provider of CDS_OIDC_ISSUER does not answer as one: %s", type(error).__name__)
    return SignInDownError(say("Sign-in does not work now"), fix=say("Try again a little later"))


def _inside(address: str) -> str:
    """An address of the console to go on to; its first page for any other."""
    parts = urlsplit(address)
    inside = parts.path == HOME or parts.path.startswith(f"{HOME}/")
    plain = address.isprintable() and "\\" not in address
    return address if inside and plain and not parts.netloc and not parts.scheme else HOME
