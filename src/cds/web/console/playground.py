"""The console's playground: what somebody pasted, answered by the live rules as an EHR would have it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds.api.body import read_body
from cds.api.deployment import TenantRules
from cds.api.error_responses import status_of
from cds.api.feedback import MAX_BYTES as MAX_FEEDBACK_BYTES
from cds.api.feedback import TimedWrites, read_feedback
from cds.api.overrides import OverrideLookup
from cds.api.routes import HookResult, answer_hook, day_of, service_of
from cds.errors import NoJournalError, RequestError
from cds.journal.decision_records import DecisionRecord
from cds.journal.playground import playground_of
from cds.locale.sentence import say
from cds.read_request import HookRequest, read_request
from cds.web.console.examples import examples, examples_day
from cds.web.console.layout import Console, console_route
from cds.web.console.pasted import PastedRequest, read_pasted
from cds.web.console.urls import HOME
from cds.web.console.words import WORDS
from cds.web.decisions import fields_of
from cds.web.explained import explained_values
from cds.web.page import HTMX
from cds.web.page_words import LOCALE

PLAYGROUND = f"{HOME}/playground"
MOST_SHOWN = 200_000  # characters of a request or response; more is cut
LONGEST_COMMENT = 2_000  # characters
SAFE_LINKS = ("https://", "http://")


def playground_routes(console: Console) -> APIRouter:
    """The playground, and what becomes of its cards."""
    router = APIRouter(route_class=console_route(console.pages))
    in_time = TimedWrites()

    def offer_of(request: Request) -> TenantRules:
        """The live rules; what is decided and said is kept apart from that of clinicians, and nothing is fetched."""
        tenant_rules = console.tenant_rules(request)
        return replace(tenant_rules, tenant=playground_of(tenant_rules.tenant), fetcher=None)

    def page(request: Request, typed: Mapping[str, str], values: Mapping[str, Any], status: int = 200) -> Response:
        program = console.tenant_rules(request).rules.program
        form = {
            "typed": typed,
            "today": typed.get("today") or str(console.deployment.clock()),
            "services": list(program.services.values()),
            "examples": list(examples().values()),
            "journal": console.deployment.journal is not None,
            "keeps_days": console.deployment.settings.keep_inputs_days if console.keeps_inputs else 0,
            "wrong": None,
            "example": None,
            "answer": None,
            "asked": False,
        }
        return console.page(request, "console/playground.html", form | dict(values), status)

    @router.get(PLAYGROUND)
    async def form(request: Request, example: str = "") -> Response:
        found = examples().get(example or next(iter(examples()), ""))
        day = examples_day()
        typed = {"example": found.name, "data": found.request, "today": str(day or "")} if found is not None else {}
        if found is None:
            return page(request, typed, {})
        async with console.deployment.admission.slot():
            try:
                made, _ = await answered(request, typed, {"example": found})
            except RequestError:  # these rules have no such service: the form says what can be asked
                return page(request, typed, {"example": found})
        return made

    async def answered(
        request: Request, typed: Mapping[str, str], about: Mapping[str, Any]
    ) -> tuple[Response, DecisionRecord | None]:
        """
        The page with the answer to a form, and its receipt.

        Raises:
            RequestError: What it asks cannot be answered.
        """
        tenant_rules = offer_of(request)
        run = console.deployment.admission.run_in_worker
        sent = await run(lambda: _sent(typed, tenant_rules, console))
        earlier = await console.deployment.overrides.of(
            tenant_rules.rules.program, tenant_rules.tenant, sent.asked.patient_id, sent.day
        )

        def decided() -> tuple[Response, DecisionRecord | None]:
            values, receipt = _answer(sent, earlier, tenant_rules, console, str(request.base_url))
            return page(request, typed, values | dict(about)), receipt

        return await run(decided)

    @router.post(PLAYGROUND)
    async def answer(request: Request) -> Response:
        async with console.deployment.admission.slot():
            # A form writes most signs of JSON as three.
            settings = console.deployment.settings
            most = min(3 * settings.max_body_bytes, settings.max_bytes_in_flight)
            body = await read_body(request, most)
            typed = await console.deployment.admission.run_in_worker(lambda: fields_of(body))

            try:
                made, receipt = await answered(request, typed, {"asked": True})
            except RequestError as refusal:
                return page(request, typed, {"wrong": refusal}, status_of(refusal))
            if receipt is not None and console.deployment.journal is not None:
                console.deployment.journal.note(receipt)
            return made

    @router.post(f"{PLAYGROUND}/feedback")
    async def feedback(request: Request) -> Response:
        tenant_rules = offer_of(request)
        journal = console.deployment.journal
        if journal is None:
            raise NoJournalError(say("This service keeps no journal"), fix=say("Set CDS_JOURNAL on the server"))
        typed = fields_of(await read_body(request, MAX_FEEDBACK_BYTES))
        service = service_of(tenant_rules.rules, typed.get("service", ""))
        words = read_feedback(_feedback(typed))
        await in_time(lambda: journal.hear(tenant_rules.tenant, service.id, words))
        values = {"word": words[0]}
        if HTMX in request.headers:
            return console.pages.page("console/said.html", WORDS | {LOCALE: tenant_rules.rules.program.words} | values)
        return console.page(request, "console/said-page.html", values)

    return router


@dataclass(frozen=True, slots=True)
class SentPaste:
    """What was pasted, as it was read: the request it stands for, and the day it is decided for."""

    pasted: PastedRequest
    asked: HookRequest
    day: date


def _sent(typed: Mapping[str, str], tenant_rules: TenantRules, console: Console) -> SentPaste:
    """
    What a form asks.

    Raises:
        RequestError: What was pasted cannot be answered.
    """
    day = day_of(typed["today"]) if typed.get("today") else console.deployment.today()
    text = typed.get("data", "").encode()
    pasted = read_pasted(
        text, tenant_rules.rules.program, typed.get("service", ""), console.deployment.settings.max_json_depth
    )
    return SentPaste(pasted, read_request(pasted.body, pasted.service), day)


def _answer(
    sent: SentPaste, earlier: OverrideLookup, tenant_rules: TenantRules, console: Console, called: str
) -> tuple[dict[str, Any], DecisionRecord | None]:
    """
    What the page shows, and the receipt.

    Raises:
        RequestError: What was pasted cannot be answered.
    """
    made = answer_hook(
        tenant_rules,
        sent.pasted.service,
        sent.asked,
        sent.day,
        deployment=console.deployment,
        called=called,
        earlier=earlier,
    )
    shown = _shown(sent.pasted, made, sent.day)
    return shown | explained_values(tenant_rules.rules, made.decision, sent.pasted.service.id), made.receipt


def _shown(pasted: PastedRequest, made: HookResult, day: date) -> dict[str, Any]:
    request, whole_request = _pretty(pasted.body)
    response, whole_response = _pretty(made.encoded)
    cards = [
        card | {"links": [link for link in card.get("links", ()) if str(link["url"]).startswith(SAFE_LINKS)]}
        for card in made.response["cards"]
    ]
    return {
        "answer": {
            "service": pasted.service,
            "converted": pasted.converted,
            "day": day,
            "cards": cards,
            "request": request,
            "response": response,
            "cut": not (whole_request and whole_response),
        },
    }


def _pretty(body: bytes) -> tuple[str, bool]:
    """JSON to be read, and whether that is all of it."""
    text = msgspec.json.format(body.removeprefix(b"\xef\xbb\xbf"), indent=2).decode()
    return text[:MOST_SHOWN], len(text) <= MOST_SHOWN


def _feedback(typed: Mapping[str, str]) -> bytes:
    """A form as the CDS Hooks feedback it stands for."""
    entry: dict[str, Any] = {
        "card": typed.get("card", ""),
        "outcome": typed.get("outcome", ""),
        "outcomeTimestamp": datetime.now(UTC).isoformat(),
    }
    if suggestion := typed.get("suggestion"):
        entry["acceptedSuggestions"] = [{"id": suggestion}]
    if entry["outcome"] == "overridden":
        system, _, rest = typed.get("reason", "").partition("|")
        code, _, display = rest.partition("|")
        reason = {"reason": {"system": system, "code": code, "display": display}} if code else {}
        entry["overrideReason"] = reason | {"userComment": typed.get("comment", "")[:LONGEST_COMMENT]}
    return msgspec.json.encode({"feedback": [entry]})
