"""Who may see the console: this machine alone, or those who sign in."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.datastructures import URL

from cds.errors import NotAllowedError
from cds.fhir_client.allowlist import literal_address
from cds.settings import Settings
from cds.web.console.urls import CALLBACK, HOME, LOGIN, LOGOUT, SAFE
from cds.web.console.users import allowed_by
from cds.web.page import Pages, page_route

if TYPE_CHECKING:
    from cds.web.console.sign_in import SignIn

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
FIX = "Open the console by 127.0.0.1 on the machine that runs it, or set up sign-in (docs/integrators/console.md)"


def why_not_safe(settings: Settings) -> str:
    """What is lacking before the console may be shown with these settings; "" for nothing."""
    needed = {
        "CDS_OIDC_ISSUER": settings.oidc_issuer,
        "CDS_OIDC_CLIENT_ID": settings.oidc_client_id,
        "CDS_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
        "CDS_OIDC_ALLOWED": settings.oidc_allowed,
    }
    lacking = [name for name, value in needed.items() if not value]
    if len(lacking) == len(needed):
        if settings.tenants is None and settings.for_this_machine and _is_here(settings.public_url):
            return ""
        return (
            "The console would be open to everybody who reaches this service.\n"
            "  Set up sign-in with CDS_OIDC_ISSUER, CDS_OIDC_CLIENT_ID, CDS_OIDC_CLIENT_SECRET and CDS_OIDC_ALLOWED\n"
            "  (docs/integrators/console.md), or leave CDS_CONSOLE unset."
        )
    if lacking:
        return f"Sign-in to the console is set up in part only.\n  Set {', '.join(lacking)}, too."
    if find_spec("authlib") is None:
        return "Sign-in to the console needs its OpenID Connect client: pip install 'thirdline[oidc]'"
    try:
        allowed_by(settings.oidc_allowed)
    except ValueError:
        return (
            "CDS_OIDC_ALLOWED holds what is no user.\n"
            "  Write sub:…, email:… or group:… for each, separated by commas, or anybody."
        )
    if not settings.public_url and (not settings.for_this_machine or not settings.port):
        return "Sign-in to the console needs CDS_PUBLIC_URL: the provider sends people back to it."
    for name, address in (("CDS_PUBLIC_URL", settings.public_url), ("CDS_OIDC_ISSUER", settings.oidc_issuer)):
        if not address.startswith("https://") and not _is_here(address):
            return f"Sign-in to the console needs https, and {name} has none."
    return ""


def _is_here(address: str) -> bool:
    """Whether an address leads to this machine alone; so does none."""
    return not address or _is_loopback(urlsplit(address).hostname or "")


def _origin(address: str) -> str:
    """The origin of an address, scheme included (RFC 6454); "" for none."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if address else ""


def _is_loopback(host: str) -> bool:
    literal = literal_address(host)
    return host == "localhost" if literal is None else literal.is_loopback


class ConsoleAccess:
    """Stands before every address of the console."""

    def __init__(self, settings: Settings) -> None:
        self._origin = _origin(settings.public_url)
        self._sign_in: SignIn | None = None
        if settings.oidc_issuer:
            from cds.web.console.sign_in import SignIn  # noqa: PLC0415 (a library most do without)

            self._sign_in = SignIn(settings)

    def add_to(self, app: FastAPI) -> None:
        """Let requests have their session."""
        if self._sign_in is not None:
            self._sign_in.add_to(app)

    async def let_in(self, request: Request) -> None:
        """
        Nothing, for a request that may be answered; `request.state.who` says whose it is, "" where nobody signs in.

        Raises:
            NotAllowedError: It came from elsewhere, or from a page of somebody else.
            NotSignedInError: Nobody is signed in, or no longer.
        """
        self._refuse_pages_of_others(request)
        if self._sign_in is None:
            _refuse_other_machines(request)
        request.state.who = self._sign_in.who(request) if self._sign_in is not None else ""

    def _refuse_pages_of_others(self, request: Request) -> None:
        """
        Refuse what changes something unless a page of ours sent it (RFC 6454; Fetch Metadata).

        Raises:
            NotAllowedError: Another page sent it, or there is no telling.
        """
        if request.method in SAFE:
            return
        site = request.headers.get("sec-fetch-site")
        own = self._origin or f"{request.url.scheme}://{request.headers.get('host', '')}"
        ours = site == "same-origin" if site is not None else request.headers.get("origin") == own
        if not ours:
            raise NotAllowedError("This was sent by a page of somebody else", fix=f"Start again at {HOME}")

    def routes(self, pages: Pages) -> APIRouter:
        """Where people sign in and out."""
        router = APIRouter(include_in_schema=False, route_class=page_route(pages))
        sign_in = self._sign_in
        if sign_in is None:
            return router

        @router.get(LOGIN)
        async def login(request: Request) -> Response:
            return await sign_in.begin(request)

        @router.get(CALLBACK)
        async def callback(request: Request) -> Response:
            return await sign_in.finish(request)

        @router.post(LOGOUT)
        async def logout(request: Request) -> Response:
            self._refuse_pages_of_others(request)
            request.session.clear()
            return pages.page("console/signed-out.html", {"login": LOGIN, "provider": await sign_in.end_address()})

        return router


def _refuse_other_machines(request: Request) -> None:
    """
    Refuse what others sent, or what a page of theirs made a browser here send under a name of its own.

    Raises:
        NotAllowedError: It is not from this machine to this machine.
    """
    called = URL(f"//{request.headers.get('host', '')}").hostname or ""
    caller = request.client.host if request.client is not None else ""
    if not _is_loopback(called) or not _is_loopback(caller) or any(name in request.headers for name in FORWARDED):
        raise NotAllowedError("The console is open to this machine only", fix=FIX)
