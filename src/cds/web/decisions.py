"""GET /decisions/{id}: the page behind a card; …/what-if: the same data, changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from cds.api.body import read_body
from cds.api.decision_input import record_from_input
from cds.api.deployment import Deployment
from cds.api.links import LinkState, SignedLinks
from cds.decide import Decision, Ruleset, decide
from cds.errors import NoPageError, NotJsonError, RequestError, TooLargeError
from cds.explanation.flips import flips
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.inputs import StoredDecision, stored_decision
from cds.journal.journal import Journal
from cds.journal.playground import tenant_of
from cds.read_request import limits
from cds.review.questions import open_questions
from cds.web.explained import explained_values
from cds.web.page import Pages, differences, page_route
from cds.web.settle import AUTHOR, choices, filled_review
from cds.web.what_if import WhatIfInputError, changeable, changed, edits_of

T = TypeVar("T")
LINK = "link"  # who looks: whoever has it
HTMX = "hx-request"  # the header by which htmx asks for a piece of a page
MOST_FORM = 200_000  # bytes
TRIES, BETWEEN_TRIES = 10, 0.1  # for a receipt that is being written; seconds
MOST_FIELDS = 2_000


class DecisionLookup:
    """Finds decisions whose data the journal keeps, for who has their link."""

    def __init__(self, deployment: Deployment, journal: Journal, links: SignedLinks) -> None:
        self._offers = deployment.offers
        self._journal = journal
        self._links = links

    def of(self, decision: str, key: str) -> tuple[StoredDecision, Ruleset] | None:
        """
        A decision and the rules that explain it; None where nothing is kept of it.

        Raises:
            NoPageError: The key does not open it.
        """
        state = self._links.opens(decision, key)
        if state is LinkState.EXPIRED:
            raise NoPageError("This link has expired", fix="Open the chart again, and follow the link of the new card")
        if state is LinkState.NOT_OURS:
            raise NoPageError(
                "This link was not made by this service, or was changed on its way",
                fix="Follow the link of the card itself; a link that was copied in part does not open",
            )
        found = stored_decision(self._journal.store, decision)
        offer = self._offers.get(tenant_of(found.tenant)) if found is not None else None
        if found is None or offer is None or found.service not in offer.rules.program.services:
            return None
        return found, offer.rules

    async def soon(self, request: Request, decision: str, key: str) -> tuple[StoredDecision, Ruleset]:
        """
        As `of`, once the receipt of a card that was just shown is written: that happens behind the answer.

        The look is written down first.

        Raises:
            NoPageError: The key does not open it, or nothing is kept of it.
            StoreDownError: Nobody can tell, or the look cannot be written down.
        """
        for _ in range(TRIES):
            found = await to_thread.run_sync(self.of, decision, key)
            if found is not None:
                kept, origin = found[0], request.client.host if request.client is not None else ""
                entry = AuditEntry(
                    datetime.now(UTC), AuditAction.READ, LINK, "", kept.tenant, request.url.path, kept.id, kept.patient,
                    origin,
                )  # fmt: skip
                await to_thread.run_sync(record_audit, self._journal.store, entry)
                return found
            await anyio.sleep(BETWEEN_TRIES)
        raise NoPageError(
            "Nothing is kept of this decision", fix="Open the chart again, and follow the link of the new card"
        )


def decision_routes(pages: Pages, deployment: Deployment, journal: Journal, links: SignedLinks) -> APIRouter:
    """The pages of decisions whose data the journal keeps."""
    settings, admission = deployment.settings, deployment.admission
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))

    kept_soon = DecisionLookup(deployment, journal, links).soon

    async def in_worker(work: Callable[[], T]) -> T:
        async with admission.slot():
            return await admission.run_in_worker(work)

    def decided(found: StoredDecision, rules: Ruleset, body: bytes) -> Decision:
        service = rules.program.services[found.service]
        return decide(rules, record_from_input(body, service, limits(settings, rules)), found.day, found.service)

    @router.get("/decisions/{decision}")
    async def page(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await kept_soon(request, decision, key)

        def answer() -> Response:
            made = decided(found, rules, found.body)
            values = explained_values(rules, made, found.service)
            about = {
                "kept": found,
                "key": key,
                "changed": found.rules != rules.program.version,
                "now": False,
                "differs": differences(found.conclusions, made, rules),
            }
            return pages.page("decision.html", values | about)

        return await in_worker(answer)

    @router.get("/decisions/{decision}/what-if")
    async def what_if_form(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await kept_soon(request, decision, key)

        def answer() -> Response:
            service = rules.program.services[found.service]
            was = decided(found, rules, found.body)
            form = changeable(found.body, rules.program, service, was)
            asked = [(question, choices(question)) for question in open_questions(rules, was, found.service)]
            values = {
                "kept": found, "key": key, "form": form, "asked": asked, "typed": {}, "wrong": "", "flips": None,
            }  # fmt: skip
            return pages.page("what_if_form.html" if HTMX in request.headers else "what_if.html", values)

        return await in_worker(answer)

    @router.post("/decisions/{decision}/what-if")
    async def what_if(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await kept_soon(request, decision, key)
        typed = fields_of(await read_body(request, MOST_FORM))

        def answer() -> Response:
            service = rules.program.services[found.service]
            was = decided(found, rules, found.body)
            form = changeable(found.body, rules.program, service, was)
            questions = open_questions(rules, was, found.service)
            asked = [(question, choices(question)) for question in questions]
            values: dict[str, Any] = {"kept": found, "key": key, "form": form, "asked": asked, "typed": typed}
            names = [AUTHOR, *(question.name for question in questions)]
            try:
                edits = edits_of(form, typed, names)
                review = filled_review(questions, typed, was, rules.program.codes.review)
                made = review.resource if review is not None else None
                body = changed(found.body, edits, rules.program, service, found.day, made)
                now = decided(found, rules, body)
            except (WhatIfInputError, RequestError) as wrong:
                values |= {"wrong": str(wrong), "flips": None}
            else:
                values |= {"wrong": "", "flips": flips(rules, was, now), "review": review}
                values |= explained_values(rules, now, found.service)
            if HTMX in request.headers:  # which shows a piece of a page only when it comes with 200
                return pages.page("what_if_result.html", values)
            return pages.page("what_if.html", values, 400 if values["wrong"] else 200)

        return await in_worker(answer)

    return router


def fields_of(body: bytes) -> dict[str, str]:
    """
    The fields of a form that was posted; empty ones are left out.

    Raises:
        NotJsonError: It is no form.
        TooLargeError: It has more fields than any form of ours.
    """
    try:
        pairs = parse_qsl(body.decode(), max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise NotJsonError("This is no form in UTF-8", fix="Load the page again, and send its form") from None
    except ValueError:
        raise TooLargeError("This form has too many fields", fix="Load the page again, and send its form") from None
    return {name: text.strip() for name, text in pairs if text.strip()}
