"""GET /console: which rules are live, what is overdue, and how the service is."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Request, Response

from cds.rulebook.program import CompiledRuleset, RuleRef
from cds.rulebook.reviews import overdue_reviews
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import HOME


def live_routes(console: Console) -> APIRouter:
    """The first page."""
    router = APIRouter(route_class=console_route(console.pages))

    @router.get(HOME)
    async def live(request: Request) -> Response:
        offer = console.offer(request)
        program, today = offer.rules.program, console.deployment.clock()
        overdue = overdue_reviews(program, today)
        return console.page(
            request,
            "console/live.html",
            {
                "program": program,
                "opinions": offer.rules.reasoner.opinions.value,
                "folder": console.deployment.folders[offer.tenant],
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
                "disagreements": request.app.state.workers.health.disagreements,
                "admission": console.deployment.admission,
            },
        )

    return router


def next_review(program: CompiledRuleset, today: date) -> RuleRef | None:
    """The rule file whose review is due next; None where each is overdue or has no such day."""
    dated = [(rule.review_due, rule.id, rule) for rule in program.rules.values() if rule.review_due is not None]
    return next((rule for due, _, rule in sorted(dated) if due >= today), None)
