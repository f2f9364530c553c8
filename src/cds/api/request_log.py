"""One request → its id on everything logged about it, its counts, and one line when it is answered."""

from __future__ import annotations

import logging
import re
from functools import cache
from time import perf_counter
from typing import Any

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds.api.response_headers import current_request_id
from cds.decide import Decision
from cds.telemetry import metrics, traces

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
HANGING_UP = 499  # counted for callers that left before their answer, as nginx does
# Address → what it is counted as; whatever else there is counts as "page" or "other".
ENDPOINTS = ("evaluate", "health", "metrics", "source-attributes", "livez", "readyz")
PAGES = ("console", "decisions", "launch", "static")

log = logging.getLogger(__name__)


class RequestLog:
    """Times and counts each request, and logs one line for each decision, feedback and failure."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), HANGING_UP
        endpoint = endpoint_of(scope["path"])

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=current_request_id())
        try:
            with traces.request(endpoint, scope["headers"]) as span:
                structlog.contextvars.bind_contextvars(**traces.trace_id_of(span))
                try:
                    await self.app(scope, receive, answering)
                finally:
                    traces.describe({"status": status, "request_id": current_request_id()})
        finally:
            took = perf_counter() - began
            metrics.requests.labels(endpoint, str(status)).inc()
            metrics.request_seconds.labels(endpoint).observe(took)
            failed = status >= 500
            if failed or endpoint in {"hook", "evaluate", "feedback"}:
                said = {"endpoint": endpoint, "status": status, "ms": round(took * 1000, 1)}
                log.log(logging.ERROR if failed else logging.INFO, "answered", extra=said)
            structlog.contextvars.clear_contextvars()


def endpoint_of(path: str) -> str:
    """What an address is counted as: one of a few words, whatever a caller asks for."""
    parts = path.strip("/").split("/")
    match parts:
        case ["cds-services"]:
            return "discovery"
        case ["cds-services", _, "feedback"]:
            return "feedback"
        case ["cds-services", _]:
            return "hook"
    if parts[0] in PAGES:
        return "page"
    return parts[0] if len(parts) == 1 and parts[0] in ENDPOINTS else "other"


@cache
def _unknown(fact: str) -> Counter:
    """The count of a fact that stayed unknown: an answer counts a hundred of them, and rules have a few hundred."""
    return metrics.unknown_facts.labels(fact)


def decided(
    tenant: str, service: str, decision: Decision, *, decision_id: str = "", hook_instance: str = "", took: float = 0.0
) -> None:
    """
    Count a decision, and put what names it on the line of its request.

    A hook instance is the caller's own words; one that is no UUID is not repeated.
    """
    metrics.decisions.labels(tenant, service).inc()
    for card in decision.cards:
        metrics.cards.labels(tenant, service, card.name, card.indicator).inc()
    for fact in decision.facts.by_name.values():
        if fact.why_unknown is not None:
            _unknown(fact.name).inc()
    names: dict[str, Any] = {
        "tenant": tenant,
        "service": service,
        "decision": decision_id,
        "hook_instance": hook_instance if UUID.fullmatch(hook_instance) else "",
    }
    known = {name: value for name, value in names.items() if value} | {"cards": len(decision.cards)}
    traces.describe(known)
    structlog.contextvars.bind_contextvars(**known, decide_ms=round(took * 1000, 1))
