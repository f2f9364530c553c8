"""GET /console: which rules are live, what is overdue, and how the service is."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Request, Response

from cds.rulebook.lint.files import GRACE
from cds.rulebook.overlay import Override
from cds.rulebook.program import Program, RuleRef
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import HOME


def live_routes(console: Console) -> APIRouter:
    """The first page."""
    router = APIRouter(route_class=console_route(console.pages))

    @router.get(HOME)
    async def live(request: Request) -> Response:
        offer = console.offer(request)
        program, today = offer.rules.program, console.clock()
        overdue, due_next = reviews(program, today)
        return console.page(
            request,
            "console/live.html",
            {
                "program": program,
                "opinions": offer.rules.reasoner.opinions.value,
                "folder": console.folders[offer.tenant],
                "today": today,
                "overdue": overdue,
                "due_next": due_next,
                "grace_days": GRACE.days,
                "overlays_due": overlays_due(program, today),
                "watched": console.watched() if console.watched is not None else None,
                "journal": console.journal.health() if console.journal is not None else None,
                "keeps_inputs": console.keeps_inputs,
                "disagreements": request.app.state.disagreements,
                "turns": console.turns,
            },
        )

    return router


def reviews(program: Program, today: date) -> tuple[list[RuleRef], RuleRef | None]:
    """The rule files whose review is overdue, longest first; and the one that is due next."""
    dated = sorted((rule.review_due, rule.id, rule) for rule in program.rules.values() if rule.review_due is not None)
    overdue = [rule for due, _, rule in dated if due < today]
    return overdue, next((rule for due, _, rule in dated if due >= today), None)


def overlays_due(program: Program, today: date) -> list[Override]:
    """What is different at the site and should have been reviewed by now."""
    return [one for one in program.overrides if one.review is not None and one.review < today]
