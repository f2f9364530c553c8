"""GET /decisions/{id}: the page behind a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import APIRouter, Response

from cds.decide import Decision, Rules, decide
from cds.explanation.explanation import plain_conclusions
from cds.hooks.kept import record_again
from cds.hooks.routes import Offers, limits
from cds.hooks.turns import Turns
from cds.journal.journal import Journal
from cds.journal.kept import Kept, kept_decision
from cds.links import Links
from cds.pages.explained import explained_values
from cds.pages.page import SIGNS, Pages, page_route
from cds.refusal import NoPage
from cds.settings import Settings

T = TypeVar("T")


def decision_routes(
    pages: Pages, offers: Offers, settings: Settings, journal: Journal, links: Links, turns: Turns
) -> APIRouter:
    """The pages of decisions whose data the journal keeps."""
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))

    def kept(decision: str, key: str) -> tuple[Kept, Rules]:
        """
        A decision and the rules that explain it.

        Raises:
            NoPage: The key does not open it, or it is not kept.
        """
        if not links.opens(decision, key):
            raise NoPage("This link has expired", fix="Open the chart again, and follow the link of the new card")
        found = kept_decision(journal.store, decision)
        offer = offers.get(found.tenant) if found is not None else None
        if found is None or offer is None or found.service not in offer.rules.program.services:
            raise NoPage(
                "Nothing is kept of this decision", fix="Open the chart again, and follow the link of the new card"
            )
        return found, offer.rules

    async def aside(work: Callable[[], T]) -> T:
        async with turns.place():
            return await turns.aside(work)

    @router.get("/decisions/{decision}")
    async def page(decision: str, key: str = "") -> Response:
        found, rules = await to_thread.run_sync(kept, decision, key)

        def answer() -> Response:
            service = rules.program.services[found.service]
            record = record_again(found.body, service, limits(settings, rules))
            made = decide(rules, record, found.day, found.service)
            values = explained_values(rules, made, found.service)
            changed = found.rules != rules.program.version
            return pages.page(
                "decision.html",
                values | {"kept": found, "changed": changed, "differs": _differences(found, made, rules)},
            )

        return await aside(answer)

    return router


def _differences(kept: Kept, made: Decision, rules: Rules) -> list[str]:
    """Conclusions that these rules answer differently than was decided, each with both answers."""
    heads = rules.program.heads
    return [
        f"{heads[name].label} (was {SIGNS.get(was, 'not asked')}, is {SIGNS[made.truths[name].value]})"
        for name in plain_conclusions(rules.program)
        if (was := kept.conclusions.get(name, "")) != made.truths[name].value
    ]
