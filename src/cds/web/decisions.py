"""GET /decisions/{id}: the page behind a card; and decisions whose data the journal keeps, for who has their link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import parse_qsl

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from cds.api.decision_input import record_from_input
from cds.api.deployment import Deployment
from cds.api.links import LinkState, SignedLinks
from cds.decide import Decision, Ruleset, decide
from cds.errors import NoPageError, NotJsonError, TooLargeError
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.inputs import StoredDecision, stored_decision
from cds.journal.journal import Journal
from cds.journal.playground import tenant_of
from cds.locale.sentence import say
from cds.read_request import limits
from cds.web.explained import explained_values
from cds.web.page import Pages, differences, page_route

T = TypeVar("T")
LINK = "link"  # who looks: whoever has it
TRIES, BETWEEN_TRIES = 10, 0.1  # for a receipt that is being written; seconds
MOST_FIELDS = 2_000


class DecisionLookup:
    """Finds decisions whose data the journal keeps, for who has their link."""

    def __init__(self, deployment: Deployment, journal: Journal, links: SignedLinks) -> None:
        self._rules_by_tenant = deployment.rules_by_tenant
        self._settings = deployment.settings
        self._admission = deployment.admission
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
            raise NoPageError(
                say("This link has expired"), fix=say("Open the chart again, and follow the link of the new card")
            )
        if state is LinkState.NOT_OURS:
            raise NoPageError(
                say("This link was not made by this service, or was changed on its way"),
                fix=say("Follow the link of the card itself; a link that was copied in part does not open"),
            )
        found = stored_decision(self._journal.store, decision)
        tenant_rules = self._rules_by_tenant.get(tenant_of(found.tenant)) if found is not None else None
        if found is None or tenant_rules is None or found.service not in tenant_rules.rules.program.services:
            return None
        return found, tenant_rules.rules

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
            say("Nothing is kept of this decision"),
            fix=say("Open the chart again, and follow the link of the new card"),
        )

    def decided(self, found: StoredDecision, rules: Ruleset, body: bytes) -> Decision:
        """What these rules decide from a body, for the day and service of a decision."""
        service = rules.program.services[found.service]
        record = record_from_input(body, service, limits(self._settings, rules))
        return decide(rules, record, found.day, found.service)

    async def in_worker(self, work: Callable[[], T]) -> T:
        """What `work` gives, in one of the threads that decide, once it is its turn."""
        async with self._admission.slot():
            return await self._admission.run_in_worker(work)


def decision_routes(pages: Pages, lookup: DecisionLookup) -> APIRouter:
    """The pages of decisions whose data the journal keeps."""
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))

    @router.get("/decisions/{decision}")
    async def page(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await lookup.soon(request, decision, key)

        def answer() -> Response:
            made = lookup.decided(found, rules, found.body)
            values = explained_values(rules, made, found.service)
            about = {
                "kept": found,
                "key": key,
                "changed": found.rules != rules.program.version,
                "now": False,
                "differs": differences(found.conclusions, made, rules),
            }
            return pages.page("decision.html", values | about)

        return await lookup.in_worker(answer)

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
        raise NotJsonError(say("This is no form in UTF-8"), fix=say("Load the page again, and send its form")) from None
    except ValueError:
        raise TooLargeError(
            say("This form has too many fields"), fix=say("Load the page again, and send its form")
        ) from None
    return {name: text.strip() for name, text in pairs if text.strip()}
