"""Settings + rules → the web application; the one place where parts are wired together."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from cds import __version__
from cds.api import error_responses as refusals
from cds.api.admission import Admission
from cds.api.below_path import BelowPath
from cds.api.byte_budget import ByteBudget
from cds.api.callers import CallerLimits
from cds.api.card_links import CardLinks
from cds.api.deployment import ANYBODY, Deployment, RulesByTenant, TenantRules
from cds.api.disagreements import KnownDisagreements
from cds.api.feedback import feedback_routes
from cds.api.http_protocol import STATE as CONNECTION_LIMITS
from cds.api.http_protocol import ConnectionLimits
from cds.api.links import SignedLinks
from cds.api.metrics import Gauges, metrics_routes
from cds.api.openapi import ERRORS
from cds.api.overrides import Overrides
from cds.api.questionnaire import questionnaire_routes
from cds.api.request_log import RequestLog
from cds.api.response_headers import REQUEST_ID, ResponseHeaders
from cds.api.routes import routes
from cds.api.source_attributes import attribute_routes
from cds.api.workers import keep_beating
from cds.auth.jti import LocalJtiStore, SharedJtiStore
from cds.auth.smart import SmartClient, SmartRegistration
from cds.decide import Ruleset
from cds.errors import CdsError
from cds.fhir_client.allowlist import ServerAllowlist
from cds.fhir_client.fetch import Fetcher, FetchLimits
from cds.journal.journal import Journal
from cds.ready_rules import rules_by_folder
from cds.record import units
from cds.rulebook.reviews import overdue_reviews
from cds.ruleset import evaluator_mode_from
from cds.settings import Settings
from cds.telemetry.traces import send_what_waits
from cds.web.compressed_pages import CompressedPages
from cds.web.console.access import ConsoleAccess, why_not_safe
from cds.web.decisions import DecisionLookup, decision_routes
from cds.web.leaflets import leaflet_routes
from cds.web.packet_pages import packet_routes
from cds.web.page import Pages, static_routes
from cds.web.saving import ReviewSaver
from cds.web.start import start_routes
from cds.web.what_if_pages import what_if_routes
from cds.web.write_grants import WriteGrants

if TYPE_CHECKING:
    from cds.auth.tenants import Tenant
    from cds.reload import RuleReloader

log = logging.getLogger(__name__)
SECONDS_A_DAY = 24 * 60 * 60
COLLECT_AFTER = 10_000  # allocations between two runs of the garbage collector: more than an answer leaves at once


def create_app(
    settings: Settings,
    *,
    rules: Ruleset | None = None,
    clock: Callable[[], date] = date.today,
    journal: Journal | None = None,
) -> FastAPI:
    """
    The web application; `rules` given are the caller's to close, a `journal` is started and closed with it.

    The settings of the journal are not read here: without one given, nothing is kept and feedback is not taken.

    Raises:
        RulesError: Rule files, or the tenants file, hold mistakes; the service must not start.
        UnsafeSettingsError: It would answer strangers.
    """
    refuse_strangers(settings)
    access = access_to_console(settings, journal)
    with ExitStack() as half_made:
        tenants, clients = tenants_of(settings)
        registered = registered_of(settings, tenants, journal)
        folders = {tenant.name: tenant.rules for tenant in tenants} or {ANYBODY: settings.rules}
        made = rules_by_folder(set(folders.values()), settings, clock(), journal) if rules is None else {}
        half_made.callback(_close, made)
        rules_by_tenant = {
            t.name: TenantRules(rules or made[t.rules], fetcher_for(t.servers, settings), t.name) for t in tenants
        } or {ANYBODY: TenantRules(rules or made[settings.rules], fetcher_for(settings.servers, settings))}
        admission = Admission(
            settings.max_concurrency, settings.queue_size, settings.request_timeout, settings.max_cpu_seconds
        )
        half_made.callback(admission.close)
        overrides = Overrides(journal, keeps_reviews="journal" in settings.save_reviews)
        half_made.callback(overrides.close)
        to_close = half_made.pop_all()

    reload = reload_of(rules_by_tenant, made, folders, settings, clock, journal)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, ConnectionLimits]]:
        units.warm()
        if journal is not None:
            journal.start()
        before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        for name, tenant_rules in rules_by_tenant.items():
            log.info(
                "%srules %s, opinions %s",
                f"tenant {name}: " if name else "",
                tenant_rules.rules.program.version,
                tenant_rules.rules.reasoner.mode.value,
            )
        tasks = [
            asyncio.create_task(keep_beating(app.state.disagreements.beat)),
            asyncio.create_task(_log_overdue_reviews(rules_by_tenant, clock)),
            asyncio.create_task(gauges.run()),
        ]
        if reload is not None:
            tasks.append(asyncio.create_task(reload.run()))
        yield {CONNECTION_LIMITS: connection_limits_of(settings)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gc.set_threshold(*before)
        gc.unfreeze()
        await _hang_up(rules_by_tenant, clients, journal)
        to_close.close()

    app = FastAPI(
        title="Thirdline",
        version=__version__,
        docs_url=None,  # it would load scripts from elsewhere; `cds.web.start` has one that does not
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy the redirect would name the wrong address
        lifespan=lifespan,
        responses=ERRORS,
    )
    add_middleware(app, tenants, settings, journal)
    app.state.disagreements = known = KnownDisagreements(app.state.workers, journal, admission)
    gauges = Gauges(admission, journal, rules_by_tenant, settings.max_concurrency, known)
    if settings.metrics:
        app.include_router(metrics_routes(settings, gauges))
    links, card_links = card_links_of(settings, journal, registered)
    reload_state = reload.health if reload is not None else None
    deployment = Deployment(
        rules_by_tenant, folders, settings, clock, admission, overrides, journal, links, card_links, reload_state
    )
    clients += _add_routes(app, deployment, registered)
    if access is not None:
        app.state.console_link = access.link
        add_console(app, deployment, access)
    return app


def add_middleware(app: FastAPI, tenants: tuple[Tenant, ...], settings: Settings, journal: Journal | None) -> None:
    """Everything a request passes before its address is looked up, innermost first."""
    app.add_middleware(CompressedPages)
    add_limits(app, tenants, settings, journal)
    refusals.register(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Content-Encoding"],
            expose_headers=["Retry-After", REQUEST_ID],
        )
    app.add_middleware(RequestLog)  # what the others refuse is counted too
    # The outermost: what any other middleware answers has these headers, and what it logs this id.
    app.add_middleware(ResponseHeaders, https=settings.public_url.startswith("https://"))
    if settings.below:
        app.add_middleware(BelowPath, path=settings.below)


def connection_limits_of(settings: Settings) -> ConnectionLimits:
    """What our server holds every connection to; another server has limits of its own."""
    return ConnectionLimits(
        settings.max_head_bytes, settings.head_timeout, settings.body_timeout, settings.max_connections
    )


def tenants_of(settings: Settings) -> tuple[tuple[Tenant, ...], list[httpx.AsyncClient]]:
    """The organisations that may call, with the HTTP clients their keys are read by; none where anybody may."""
    if settings.tenants is None:
        return (), []
    # What few installations use is loaded for those alone: a start takes half as long, a worker a tenth less memory.
    from cds.auth.tenants import read_tenants  # noqa: PLC0415

    return read_tenants(settings.tenants, settings.servers, settings.rules, settings.keys_seconds)


def add_limits(app: FastAPI, tenants: tuple[Tenant, ...], settings: Settings, journal: Journal | None) -> None:
    """Know each caller, and bound what one may ask for."""
    per_minute = settings.max_requests_per_minute
    app.add_middleware(CallerLimits, per_minute=per_minute, budget=ByteBudget(settings.max_bytes_in_flight))
    if tenants:
        add_guard(app, tenants, settings, journal)
        # Before the guard by address alone: checking a signature costs more than most answers.
        app.add_middleware(CallerLimits, per_minute=per_minute)


def add_guard(app: FastAPI, tenants: tuple[Tenant, ...], settings: Settings, journal: Journal | None) -> None:
    """Ask every caller who they are."""
    from cds.auth.client_jwt import AuthenticationMiddleware, ClientAuthenticator, Leeway  # noqa: PLC0415 (as `tenants_of`)

    if journal is None:
        if settings.workers > 1:
            raise UnsafeSettingsError(
                "Without a journal each worker takes a client's token once, so that a token works "
                f"{settings.workers} times.\n"
                "  Set CDS_JOURNAL, which all workers share, or CDS_WORKERS=1."
            )
        log.warning("used tokens are remembered until the service is stopped, and by this process alone: no journal")
    leeway = Leeway(settings.token_skew_seconds, settings.token_longest_seconds)
    seen = LocalJtiStore() if journal is None else SharedJtiStore(journal.store)
    app.add_middleware(AuthenticationMiddleware, trust=ClientAuthenticator(tenants, settings.public_url, seen, leeway))


def reload_of(
    rules_by_tenant: dict[str, TenantRules],
    made: dict[Path, Ruleset],
    folders: dict[str, Path],
    settings: Settings,
    clock: Callable[[], date],
    journal: Journal | None,
) -> RuleReloader | None:
    """What takes changed rules while the service runs; None where they are not watched."""
    if not settings.watch or not made:
        return None
    from cds.reload import RuleReloader  # noqa: PLC0415 (as `tenants_of`; it runs their tests)

    mode = evaluator_mode_from(settings.engine)
    return RuleReloader(
        rules_by_tenant, made, folders, mode, clock, settings.review_grace_days, settings.show_definitions, journal
    )


def add_console(app: FastAPI, deployment: Deployment, access: ConsoleAccess) -> None:
    """The pages of the console; the authoring tools they are made of are loaded for them alone."""
    from cds.web.console import layout, routes  # noqa: PLC0415 (as `tenants_of`)

    if unknown := access.allowed.tenants - deployment.rules_by_tenant.keys():
        raise UnsafeSettingsError(f"CDS_OIDC_ALLOWED names tenants that do not exist: {', '.join(sorted(unknown))}")
    # A page of the console says which page a form was sent by, and is never framed.
    pages = Pages(referrer="same-origin", below=deployment.settings.below, words=lambda: deployment.words)
    routes.add_console(app, layout.Console(pages, deployment, access))


def card_links_of(
    settings: Settings, journal: Journal | None, registered: tuple[SmartRegistration, ...]
) -> tuple[SignedLinks | None, CardLinks | None]:
    """The links of decisions, and what every card links; None where nothing is kept, and where no EHR launches."""
    links = links_of(settings, journal)
    launched = {one.tenant: one.servers for one in registered}
    return links, CardLinks(links, settings.public_url, launched) if links is not None or launched else None


async def _log_overdue_reviews(rules_by_tenant: RulesByTenant, clock: Callable[[], date]) -> None:
    """A warning at the start and once a day for rules whose review is overdue: a service may run for months."""
    while True:
        for name, tenant_rules in rules_by_tenant.items():
            if overdue := overdue_reviews(tenant_rules.rules.program, clock()).words:
                log.warning("%sclinical review overdue: %s", f"tenant {name}: " if name else "", overdue)
        await asyncio.sleep(SECONDS_A_DAY)


async def _hang_up(rules_by_tenant: RulesByTenant, clients: list[httpx.AsyncClient], journal: Journal | None) -> None:
    """Let go of every connection; what waits for the journal and for the collector of traces is written first."""
    for tenant_rules in rules_by_tenant.values():
        if tenant_rules.fetcher is not None:
            await tenant_rules.fetcher.close()
    for client in clients:
        await client.aclose()
    if journal is not None:
        await to_thread.run_sync(journal.close)
    await to_thread.run_sync(send_what_waits)


def _add_routes(
    app: FastAPI, deployment: Deployment, registered: tuple[SmartRegistration, ...]
) -> list[httpx.AsyncClient]:
    """Every address there is: those for programs, then those for people; gives HTTP clients that are to be closed."""
    app.include_router(routes(deployment))
    app.include_router(feedback_routes(deployment))
    app.include_router(attribute_routes(deployment))
    app.include_router(questionnaire_routes(deployment))
    pages, journal, links = (
        Pages(deployment.settings.frame_ancestors, below=deployment.settings.below, words=lambda: deployment.words),
        deployment.journal,
        deployment.links,
    )
    app.include_router(static_routes())
    app.include_router(start_routes(pages, console=deployment.settings.console))
    if journal is None:
        return []
    clients: dict[str, httpx.AsyncClient] = {}
    grants = WriteGrants()
    if registered:
        from cds.web.launch import Launcher  # noqa: PLC0415 (as `tenants_of`)

        launcher = Launcher(pages, registered, deployment, journal, grants)
        app.include_router(launcher.routes())
        clients = launcher.clients
    if links is not None:
        saver = ReviewSaver(deployment, journal, grants, clients)
        lookup = DecisionLookup(deployment, journal, links)
        app.include_router(decision_routes(pages, lookup))
        app.include_router(what_if_routes(pages, lookup, saver))
        app.include_router(packet_routes(pages, lookup))
        app.include_router(leaflet_routes(pages, lookup))
    return list(clients.values())


def registered_of(
    settings: Settings, tenants: tuple[Tenant, ...], journal: Journal | None
) -> tuple[SmartRegistration, ...]:
    """
    Organisations whose EHR may launch this app.

    Raises:
        UnsafeSettingsError: There is no journal, whose key signs what a browser keeps of a launch.
    """
    secret = settings.smart_client_secret
    app = SmartClient(settings.smart_client_id, secret.get_secret_value() if secret is not None else None)
    shared = app if settings.smart_client_id else None
    servers = {t.name: (t.servers, t.smart or shared) for t in tenants} or {ANYBODY: (settings.servers, shared)}
    registered = tuple(
        SmartRegistration(name, of, known) for name, (of, known) in servers.items() if known is not None and of.bases
    )
    if registered and journal is None:
        raise UnsafeSettingsError(
            "A SMART launch needs the journal, whose key signs what a browser keeps of it.\n"
            "  Set CDS_JOURNAL, or unset CDS_SMART_CLIENT_ID."
        )
    return registered


def access_to_console(settings: Settings, journal: Journal | None) -> ConsoleAccess | None:
    """
    Who may see the console; None where there is none.

    Raises:
        UnsafeSettingsError: Everybody might.
    """
    if not settings.console:
        return None
    if why := why_not_safe(settings):
        raise UnsafeSettingsError(why)
    return ConsoleAccess(settings, journal)


def links_of(settings: Settings, journal: Journal | None) -> SignedLinks | None:
    """The links of decisions: where their data are kept, and it is known under which address clients reach us."""
    if journal is None or not journal.keeps_inputs:
        return None
    if not settings.public_url and not settings.for_this_machine:
        log.warning("cards get no link to their explanation: CDS_PUBLIC_URL is not set")
        return None
    return SignedLinks(journal.store, settings.link_hours * 3600)


class UnsafeSettingsError(CdsError):
    """The settings would let anybody on the network call; the message says what to do."""


def refuse_strangers(settings: Settings) -> None:
    """
    Refuse to listen where others reach us without asking who they are, unless that was said to be meant.

    Raises:
        UnsafeSettingsError: It was not.
    """
    if settings.tenants is not None or settings.for_this_machine:
        return
    if not settings.unauthenticated:
        raise UnsafeSettingsError(
            f"{settings.host} can be reached by other machines, and nobody is asked who they are.\n"
            "  Name who may call in CDS_TENANTS (docs/integrators/authentication.md), listen on 127.0.0.1,\n"
            "  or say that anybody may call: --unauthenticated, CDS_UNAUTHENTICATED=true."
        )
    log.warning("anybody who reaches %s may call: clients are not authenticated", settings.host)


def _close(made: Mapping[Path, Ruleset]) -> None:
    """Close the rules that are live by then."""
    for rules in made.values():
        rules.reasoner.close()


def fetcher_for(servers: ServerAllowlist, settings: Settings) -> Fetcher | None:
    """The fetcher, when there are servers it may read from."""
    if not servers.bases:
        return None
    limits = FetchLimits(
        settings.fetch_seconds,
        settings.fetch_pages,
        settings.max_body_bytes,
        settings.most_entries,
        settings.max_json_depth,
    )
    return Fetcher(servers, limits)
