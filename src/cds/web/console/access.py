"""Who may see the console: this machine alone, or those who sign in."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import URL

from cds.errors import NotAllowedError
from cds.fhir_client.allowlist import literal_address
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.journal import NONE, Journal
from cds.locale.sentence import say
from cds.settings import Settings
from cds.web.console.door import HOURS, ConsoleDoor
from cds.web.console.sessions import ConsoleSession, JournalSessions, LocalSessions, SessionStore, now
from cds.web.console.urls import CALLBACK, ENTER, HOME, LOGIN, LOGOUT, SAFE
from cds.web.console.users import EVERY_TENANT, ConsoleGrant, NotSignedInError, Role, allowed_by
from cds.web.own_pages import origin_of, sent_by_our_page
from cds.web.page import Pages, page_route

if TYPE_CHECKING:
    from cds.web.console.sign_in import SignIn

log = logging.getLogger(__name__)

COOKIE = "thirdline_console"
HERE = "this machine"
EVERYTHING = ConsoleGrant({EVERY_TENANT: Role.ADMIN})
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
LINK = say("Open the link that was printed when the service was started; cds console-link prints another")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
FIX = say("Open the console by 127.0.0.1 on the machine that runs it, or set up sign-in (docs/integrators/console.md)")


def why_not_safe(settings: Settings) -> str:
    """What is lacking before the console may be shown with these settings; "" for nothing."""
    needed = {
        "CDS_OIDC_ISSUER": settings.oidc_issuer,
        "CDS_OIDC_CLIENT_ID": settings.oidc_client_id,
        "CDS_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
        "CDS_OIDC_ALLOWED": settings.oidc_allowed,
    }
    if settings.workers > 1 and settings.journal.strip().lower() == NONE:
        return "Without a journal each worker knows its own sessions of the console: set CDS_JOURNAL, or CDS_WORKERS=1."
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
            "  Write sub:…, email:… or group:… for each, separated by commas, or anybody;\n"
            "  before it a role and a tenant, if you like: analyst=group:…, steward@north=email:…"
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


def _is_loopback(host: str) -> bool:
    literal = literal_address(host)
    return host == "localhost" if literal is None else literal.is_loopback


class ConsoleAccess:
    """
    Stands before every address of the console.

    Attributes:
        allowed: Who may see what, by the settings.
    """

    def __init__(self, settings: Settings, journal: Journal | None) -> None:
        store = journal.store if journal is not None else None
        self.allowed = allowed_by(settings.oidc_allowed)
        self._origin = origin_of(settings.public_url)
        self._base = settings.public_url or f"http://{settings.host}:{settings.port}"
        self._store = store
        self._sessions: SessionStore = LocalSessions() if store is None else JournalSessions(store)
        self._door = ConsoleDoor(store)
        self._sign_in: SignIn | None = None
        # A session counts for the way in that it came by: another client secret, or none, ends them all.
        self._way = HERE
        if settings.oidc_issuer:
            from cds.web.console.sign_in import SignIn  # noqa: PLC0415 (a library most do without)

            self._sign_in = SignIn(settings)
            secret = settings.oidc_client_secret
            known = f"{settings.oidc_issuer} {secret.get_secret_value() if secret is not None else ''}"
            self._way = f"way:{hashlib.sha256(known.encode()).hexdigest()}"

    def add_to(self, app: FastAPI) -> None:
        """Let requests have what a sign-in under way needs."""
        if self._sign_in is not None:
            self._sign_in.add_to(app)

    def link(self) -> str:
        """
        An address that lets whoever opens it first into the console; "" where people sign in.

        Raises:
            StoreDownError: The key to sign with is in the journal, and that cannot be opened.
        """
        return self._door.link(self._base) if self._sign_in is None else ""

    async def let_in(self, request: Request) -> None:
        """
        Nothing, for a request that may be answered; `request.state` says who it is and what they may (`who`, `grant`).

        Raises:
            NotAllowedError: It came from elsewhere, or from a page of somebody else.
            NotSignedInError: Nobody is signed in, or no longer.
            StoreDownError: Nobody can tell.
        """
        self._refuse_pages_of_others(request)
        if self._sign_in is None:
            _refuse_other_machines(request)
        key = request.cookies.get(self._cookie(request), "")
        session = await to_thread.run_sync(self._sessions.of, key) if key else None
        grant = self._grant(session) if session is not None else None
        if session is None or grant is None:
            raise NotSignedInError(LOGIN if self._sign_in is not None else "")
        request.state.who, request.state.grant = session.who, grant

    async def audit(self, request: Request, action: AuditAction, who: str, role: str = "", tenant: str = "") -> None:
        """
        Write down what somebody did, before it is answered; nothing where there is no journal.

        Raises:
            StoreDownError: It was not written.
        """
        if self._store is not None:
            origin = request.client.host if request.client is not None else ""
            entry = AuditEntry(now(), action, who, role, tenant, request.url.path, "", "", origin)
            await to_thread.run_sync(record_audit, self._store, entry)

    def _grant(self, session: ConsoleSession) -> ConsoleGrant | None:
        """What they may do by the settings of now: who was taken off the list is out."""
        if self._way not in session.entries:
            return None
        return EVERYTHING if self._sign_in is None else self.allowed.grant(session.entries)

    def _refuse_pages_of_others(self, request: Request) -> None:
        """
        Refuse what changes something unless a page of ours sent it (RFC 6454; Fetch Metadata).

        Raises:
            NotAllowedError: Another page sent it, or there is no telling.
        """
        if request.method in SAFE:
            return
        if not sent_by_our_page(request, self._origin):
            raise NotAllowedError(
                say("This was sent by a page of somebody else"), fix=say("Start again at {page}", page=HOME)
            )

    def _cookie(self, request: Request) -> str:
        return f"__Host-{COOKIE}" if self._secure(request) else COOKIE

    def _secure(self, request: Request) -> bool:
        return self._base.startswith("https://") or request.url.scheme == "https"

    async def _enter(self, request: Request, session: ConsoleSession, following: str) -> Response:
        """
        Sign somebody in, and send them on.

        Raises:
            NotAllowedError: They may see nothing.
            StoreDownError: Nobody can be signed in now.
        """
        session = replace(session, entries=(*session.entries, self._way))
        if self._grant(session) is None:
            log.warning("sign-in refused: the user is not in CDS_OIDC_ALLOWED")
            await self.audit(request, AuditAction.REFUSED, session.who)
            raise NotAllowedError(
                say("You are signed in, but may not see this console"),
                fix=say("Ask those who run this service to let you in"),
            )
        await self.audit(request, AuditAction.SIGNED_IN, session.who)
        key = await to_thread.run_sync(self._sessions.begin, session)
        answer = RedirectResponse(following, status_code=303, headers=NOT_KEPT)
        secure = self._secure(request)
        answer.set_cookie(
            self._cookie(request),
            key,
            max_age=int((session.until - now()).total_seconds()) + 1,
            path="/" if secure else HOME,  # with __Host- it must be "/"
            secure=secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    def routes(self, pages: Pages) -> APIRouter:
        """Where people sign in and out."""
        router = APIRouter(include_in_schema=False, route_class=page_route(pages))
        sign_in = self._sign_in

        @router.post(LOGOUT)
        async def logout(request: Request) -> Response:
            self._refuse_pages_of_others(request)
            key = request.cookies.get(self._cookie(request), "")
            session = await to_thread.run_sync(self._sessions.of, key) if key else None
            if session is not None:
                await to_thread.run_sync(self._sessions.end, key)
                await self.audit(request, AuditAction.SIGNED_OUT, session.who)
            provider = await sign_in.end_address() if sign_in is not None else ""
            login = LOGIN if sign_in is not None else ""
            answer = pages.page("console/signed-out.html", {"login": login, "provider": provider})
            secure = self._secure(request)
            answer.delete_cookie(self._cookie(request), path="/" if secure else HOME, secure=secure, httponly=True)
            return answer

        if sign_in is None:

            @router.get(ENTER)
            async def enter(request: Request, token: str = "") -> Response:
                _refuse_other_machines(request)
                if not await to_thread.run_sync(self._door.opens, token):
                    raise NotAllowedError(say("This link has been used, or is too old"), fix=LINK)
                return await self._enter(request, ConsoleSession(HERE, (), now() + timedelta(hours=HOURS)), HOME)

            return router

        @router.get(LOGIN)
        async def login(request: Request) -> Response:
            return await sign_in.begin(request)

        @router.get(CALLBACK)
        async def callback(request: Request) -> Response:
            return await self._enter(request, *await sign_in.finish(request))

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
        raise NotAllowedError(say("The console is open to this machine only"), fix=FIX)
