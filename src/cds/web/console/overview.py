"""GET /console: which rules are live, what is overdue, and how the service is."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cds.errors import NoJournalError
from cds.journal.audit import AuditAction, AuditEntry
from cds.journal.disagreements import EngineDisagreement, acknowledge, read_disagreements
from cds.journal.store import StoreDownError
from cds.locale.sentence import say
from cds.rulebook.compiled_ruleset import CompiledRuleset, RuleRef
from cds.rulebook.reviews import overdue_reviews
from cds.telemetry.metrics import traffic
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import DISAGREEMENTS, HOME
from cds.web.console.users import Role


def live_routes(console: Console) -> APIRouter:
    """The first page."""
    router = APIRouter(route_class=console_route(console.pages))

    @router.get(HOME)
    async def live(request: Request) -> Response:
        tenant_rules = console.tenant_rules(request)
        program, today = tenant_rules.rules.program, console.deployment.clock()
        overdue = overdue_reviews(program, today)
        return console.page(
            request,
            "console/live.html",
            {
                "program": program,
                "opinions": tenant_rules.rules.reasoner.mode.value,
                "folder": console.deployment.folders[tenant_rules.tenant],
                "today": today,
                "overdue": overdue.rules,
                "overlays_due": overdue.overrides,
                "due_next": next_review(program, today),
                "list_ages": program.list_ages,
                "lists_overdue": program.list_ages.overdue(today),
                "review_grace_days": console.deployment.settings.review_grace_days,
                "watched": console.deployment.reload_state() if console.deployment.reload_state is not None else None,
                "journal": console.deployment.journal.health() if console.deployment.journal is not None else None,
                "keeps_inputs": console.keeps_inputs,
                "disagreements": request.app.state.disagreements.open,
                "disagreed": await to_thread.run_sync(disagreed, console, tenant_rules.tenant),
                "acknowledges": (
                    DISAGREEMENTS if (request.state.grant.role_for(tenant_rules.tenant) or 0) >= Role.STEWARD else ""
                ),
                "admission": console.deployment.admission,
                "traffic": await to_thread.run_sync(traffic, time.time()),
            },
        )

    return router


def disagreed(console: Console, tenant: str) -> list[EngineDisagreement]:
    """Disagreements of the engines that nobody acknowledged; none while the journal cannot be read, or none is kept."""
    journal = console.deployment.journal
    if journal is None:
        return []
    try:
        return read_disagreements(journal.store, tenant)
    except StoreDownError:
        return []


def disagreement_routes(console: Console) -> APIRouter:
    """Where disagreements are acknowledged."""
    router = APIRouter(route_class=console_route(console.pages))

    @router.post(DISAGREEMENTS)
    async def acknowledged(request: Request, id: str = "") -> Response:  # noqa: A002 (its name in the address)
        journal, tenant = console.deployment.journal, console.tenant_rules(request).tenant
        if journal is None:
            raise NoJournalError(
                say("There is no journal, so that nothing can be acknowledged"),
                fix=say("Set CDS_JOURNAL on the server"),
            )
        role = request.state.grant.role_for(tenant)
        entry = AuditEntry(
            at=datetime.now(UTC),
            action=AuditAction.ACKNOWLEDGED,
            who=request.state.who,
            role=role.label if role is not None else "",
            tenant=tenant,
            address=request.url.path,
            decision="",
            patient="",
            origin=request.client.host if request.client is not None else "",
        )
        await to_thread.run_sync(acknowledge, journal.store, entry, tenant, [id])
        return RedirectResponse(console.address(request, HOME), status_code=303)

    return router


def next_review(program: CompiledRuleset, today: date) -> RuleRef | None:
    """The rule file whose review is due next; None where each is overdue or has no such day."""
    dated = [(rule.review_due, rule.id, rule) for rule in program.rules.values() if rule.review_due is not None]
    return next((rule for due, _, rule in sorted(dated) if due >= today), None)
