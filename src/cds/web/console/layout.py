"""What every page of the console has: its place in the menu, whose rules it shows, and who is looking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from cds.api.deployment import Deployment, TenantRules
from cds.errors import NoPageError, NotAllowedError
from cds.journal.audit import AuditAction
from cds.journal.store import StoreDownError
from cds.locale.sentence import say
from cds.web.console.access import LINK, ConsoleAccess
from cds.web.console.urls import AUDIT, DATA, DECISIONS, FEEDBACK, HOME, LOGOUT, SAFE
from cds.web.console.users import NotSignedInError, Role
from cds.web.console.words import ROLES, WORDS
from cds.web.page import Pages, page_route
from cds.web.page_words import LOCALE

TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One entry of the menu: an address, its words and who may see it; pages below the address belong to it."""

    path: str
    label: str
    role: Role


MENU = (
    MenuEntry(HOME, say("Live rules"), Role.VIEWER),
    MenuEntry(f"{HOME}/rules", say("Rule files"), Role.VIEWER),
    MenuEntry(f"{HOME}/playground", say("Playground"), Role.STEWARD),
    MenuEntry(DECISIONS, say("Decisions"), Role.ANALYST),
    MenuEntry(FEEDBACK, say("Feedback"), Role.ANALYST),
    MenuEntry(DATA, say("Data quality"), Role.ANALYST),
    MenuEntry(AUDIT, say("Who looked"), Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class Console:
    """
    What pages of the console are made of.

    Attributes:
        pages: Renders them.
        deployment: What runs.
        access: Who may see them.
    """

    pages: Pages
    deployment: Deployment
    access: ConsoleAccess

    @property
    def keeps_inputs(self) -> bool:
        """Whether the data decided from are kept."""
        journal = self.deployment.journal
        return journal is not None and journal.keeps_inputs

    def tenant_rules(self, request: Request) -> TenantRules:
        """
        What is live for the tenant the address names; the first one they may see where it names none.

        Raises:
            NoPageError: There is no such tenant, or not for them.
        """
        seen = self._tenants(request)
        name = request.query_params.get(TENANT) or (seen[0] if seen else "")
        if name not in seen:
            raise NoPageError(say("There is no such tenant"), fix=say("Choose one at {page}", page=HOME))
        return self.deployment.rules_by_tenant[name]

    def needs(self, role: Role, *, recorded: bool = False) -> Callable[[Request], Coroutine[Any, Any, None]]:
        """
        A guard for pages of those who have at least this role at the tenant they look at.

        Args:
            role: The least.
            recorded: Each look is written down before it is answered.
        """

        async def may(request: Request) -> None:
            tenant = self.tenant_rules(request).tenant
            has = request.state.grant.role_for(tenant)
            about = request.state.who, has.label if has is not None else "", tenant
            if has is None or has < role:
                await self.access.audit(request, AuditAction.REFUSED, *about)
                raise NotAllowedError(
                    say("This page is for the role {role}", role=ROLES[role.label]),
                    fix=say("Ask those who run this service (CDS_OIDC_ALLOWED)"),
                )
            if recorded:
                export = request.url.path.endswith((".csv", ".ndjson"))
                await self.access.audit(request, AuditAction.EXPORT if export else AuditAction.READ, *about)

        return may

    def _tenants(self, request: Request) -> list[str]:
        """Those they may see."""
        return [name for name in self.deployment.rules_by_tenant if request.state.grant.role_for(name) is not None]

    def address(self, request: Request, path: str, **query: str) -> str:
        """The address of another page of the console, for the same tenant."""
        tenant = self.tenant_rules(request).tenant
        asked = ({TENANT: tenant} if tenant else {}) | query
        return quote(path) + (f"?{urlencode(asked)}" if asked else "")

    def page(self, request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """A page in its frame. Templates extend `console/frame.html`, and link others by `to(path)`."""
        # The deepest entry that the address stands below: "/console" is above them all.
        path = request.url.path
        above = [entry.path for entry in MENU if path == entry.path or path.startswith(f"{entry.path}/")]
        tenant_rules = self.tenant_rules(request)
        role = request.state.grant.role_for(tenant_rules.tenant)
        frame = WORDS | {
            LOCALE: tenant_rules.rules.program.words,
            "menu": [entry for entry in MENU if entry.role <= role],
            "current": max(above, key=len, default=""),
            "to": partial(self.address, request),
            "here": path,
            "tenant": tenant_rules.tenant,
            "tenants": sorted(name for name in self._tenants(request) if name),
            "who": request.state.who,
            "logout": LOGOUT,
        }
        return self.pages.page(template, frame | dict(values), status)


def console_route(pages: Pages) -> type[APIRoute]:
    """Routes that answer people, and send those who are not signed in to where they can."""

    class ConsoleRoute(page_route(pages)):  # type: ignore[misc]  # a class made by a function
        """A route of the console."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """The handler, with the way to sign in."""
            handler = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    answer: Response = await handler(request)
                    return answer
                except NotSignedInError as nobody:
                    if not nobody.login:
                        return pages.nothing(401, say("You are not signed in to the console"), LINK)
                    if request.method in SAFE:
                        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                        return RedirectResponse(f"{nobody.login}?{urlencode({'next': here})}", status_code=303)
                    # No redirect: form-action would keep a form from being led on to the provider.
                    fix = say("Sign in at {page}, and send it again", page=HOME)
                    return pages.nothing(401, say("You are not signed in any more"), fix)
                except StoreDownError:
                    return pages.nothing(503, say("The journal cannot be reached now"), say("Try again a little later"))

            return answered

    return ConsoleRoute
