"""GET /cds-services, POST /cds-services/{id}, POST /evaluate, GET /health → decide()."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response

from cds.answer import answer_of
from cds.decide import Rules, decide
from cds.hooks.bodies import read_body
from cds.hooks.messages import Discovery, discovery_of, read_request, response_of
from cds.record.bundle import read_bundle, read_prefetch
from cds.refusal import NotFhir, PrefetchMissing, UnknownService
from cds.rulebook.program import Service
from cds.settings import Settings

T = TypeVar("T")
AT_ONCE = 4  # decisions under way in one process; the rest wait their turn


def routes(rules: Rules, settings: Settings, clock: Callable[[], date]) -> APIRouter:
    """Every address this service answers."""
    router = APIRouter()
    limits: dict[str, int] = {"most_entries": settings.most_entries, "deepest": settings.deepest}
    limiter = CapacityLimiter(AT_ONCE)

    async def aside(work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=limiter)

    def service_of(identity: str) -> Service:
        service = rules.program.services.get(identity)
        if service is None:
            raise UnknownService(
                "There is no such service", fix=f"GET /cds-services lists them: {', '.join(rules.program.services)}"
            )
        return service

    @router.get("/")
    async def root() -> dict[str, str]:
        """Where to go from here."""
        return {"service": "Thirdline", "discovery": "/cds-services", "evaluate": "/evaluate", "health": "/health"}

    @router.get("/health")
    async def health(request: Request, response: Response) -> dict[str, Any]:
        """Whether this service can be trusted with an answer; 503 once the two engines have disagreed."""
        disagreements = request.app.state.disagreements
        response.status_code = 503 if disagreements else 200
        return {
            "status": "failed" if disagreements else "ok",
            "rules": rules.program.version,
            "opinions": rules.reasoner.opinions.value,
            "disagreements": disagreements,
        }

    @router.get("/cds-services")
    async def discover() -> Discovery:
        """The services on offer (CDS Hooks 2.0.1, "Discovery")."""
        return discovery_of(list(rules.program.services.values()))

    @router.post("/cds-services/{identity}")
    async def call(identity: str, request: Request) -> Response:
        """Answer one hook."""
        service = service_of(identity)
        body = await read_body(request, settings.most_bytes)

        def answer() -> bytes:
            prefetch, patient_id = read_request(body, service)
            refuse_without(service, prefetch)
            record = read_prefetch(
                prefetch,
                templates={p.key: p.query for p in service.prefetch},
                patient_id=patient_id,
                **limits,
            )
            return msgspec.json.encode(response_of(decide(rules, record, clock(), service.id).cards))

        return Response(await aside(answer), media_type="application/json")

    @router.post("/evaluate")
    async def evaluate(request: Request, service: str | None = None, today: str | None = None) -> Response:
        """Decide for a FHIR R4 Bundle: cards, conclusions, reasons, what is missing."""
        if service is not None:
            service_of(service)
        day = _day(today) if today is not None else clock()
        body = await read_body(request, settings.most_bytes)

        def answer() -> bytes:
            record = read_bundle(body, **limits)
            return msgspec.json.encode(answer_of(rules, decide(rules, record, day, service)))

        return Response(await aside(answer), media_type="application/json")

    return router


def refuse_without(service: Service, prefetch: dict[str, msgspec.Raw]) -> None:
    """Refuse a request without a prefetch key no answer is possible without (CDS Hooks 2.0.1: 412)."""
    missing = [p for p in service.prefetch if p.required and p.key not in prefetch]
    if missing:
        raise PrefetchMissing(
            f"Prefetch is missing {', '.join(p.key for p in missing)}",
            fix="Send " + "; ".join(f"{p.key}: {p.query}" for p in missing),
            where=f"prefetch.{missing[0].key}",
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotFhir("today is not a date", fix="Write it as 2026-06-01", where="today") from None
