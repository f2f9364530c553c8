"""GET /cds-services, POST /cds-services/{id}, POST /evaluate, GET /health → decide()."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from cds import __version__
from cds.api.body import read_body
from cds.api.decision_records import call_of, card_records_of
from cds.api.deployment import ANYBODY, Deployment, TenantRules, tenant_rules_of
from cds.api.messages import Discovery, discovery_of, response_of
from cds.api.openapi import ANSWER, BUNDLE, CARDS, REQUEST, gives, takes
from cds.api.overrides import OverrideLookup
from cds.api.request_log import decided
from cds.decide import Decision, Ruleset, decide
from cds.errors import NotFhirError, PrefetchMissingError, UnknownServiceError
from cds.fhir_client.fetch import Fetcher, NoFhirServerError
from cds.journal.decision_records import DecisionRecord, decision_record_of
from cds.read_request import HookRequest, limits, read_request, record_of
from cds.record.bundle import NOTHING_FETCHED, FetchedValue, read_bundle
from cds.record.collect import kinds_in
from cds.record.fhir import READ_TYPES
from cds.rulebook.compiled_ruleset import Prefetch, Service
from cds.rulebook.list_ages import lists_in_words
from cds.rulebook.reviews import overdue_reviews
from cds.serialize import answer_of
from cds.telemetry import metrics
from cds.telemetry.traces import stage

STUCK = "stuck"  # the status with which nobody should be sent here
READ_AT_ONCE = 256_000  # bytes of a body whose envelope is read in less time than it takes to wake a thread
FIRST_YEAR, LAST_YEAR = 1900, 2199  # of `today`; years before and after are needed to reckon with
READABLE = frozenset(READ_TYPES) - {"Patient", "Encounter", "Medication", "ExplanationOfBenefit"}


def routes(deployment: Deployment) -> APIRouter:
    """Every address that answers questions; without a journal no receipts are kept, without card links none linked."""
    rules_by_tenant, settings, clock = deployment.rules_by_tenant, deployment.settings, deployment.clock
    admission, journal = deployment.admission, deployment.journal
    router = APIRouter()

    # First, since addresses are compared in turn with every request.
    @router.post("/cds-services/{identity}", openapi_extra=takes(REQUEST), responses=gives(CARDS))
    async def call(identity: str, request: Request) -> Response:
        """Answer one hook."""
        tenant_rules = tenant_rules_of(rules_by_tenant, request)
        service = service_of(tenant_rules.rules, identity)
        async with admission.slot():
            asked, size = await _read(request, service, deployment)
            today = deployment.today()
            fetched, why_not = await _fetch(tenant_rules.fetcher, service, asked)
            earlier = await deployment.overrides.of(
                tenant_rules.rules.program, tenant_rules.tenant, asked.patient_id, today
            )

            def answer() -> HookResult:
                return answer_hook(
                    tenant_rules,
                    service,
                    asked,
                    today,
                    deployment=deployment,
                    called=str(request.base_url),
                    earlier=earlier,
                    fetched=fetched,
                    why_not=why_not,
                )

            made = await admission.run_in_worker(answer, size)
            decided(
                tenant_rules.tenant,
                service.id,
                made.decision,
                decision_id=made.id,
                hook_instance=asked.hook_instance,
                took=made.seconds,
            )
            if journal is not None and made.receipt is not None:
                journal.note(made.receipt)  # not in the thread: a decision that came too late was shown to nobody
            return Response(made.encoded, media_type="application/json")

    @router.head("/health", include_in_schema=False)
    @router.get("/health")
    async def health(request: Request, response: Response) -> dict[str, Any]:
        """
        How this service is; 503 when all hangs.

        It speaks for all workers, whichever is asked. A disagreement of the two engines, until somebody acknowledges
        it, a journal that does not work, a worker that hangs while others answer, and a clock that is wrong are
        "degraded" and 200: what both engines say the same is right, and what they did not was answered 500.
        """
        request.app.state.disagreements.beat()
        workers = request.app.state.workers.health
        status = _status(request, deployment)
        response.status_code = 503 if status == STUCK else 200
        if ANYBODY not in rules_by_tenant:
            return {"status": status}  # this address is open: what runs here is for those who run it
        rules = rules_by_tenant[ANYBODY].rules
        due = overdue_reviews(rules.program, clock())
        return {
            "status": status,
            "version": __version__,
            "rules": rules.program.version,
            "opinions": rules.reasoner.mode.value,
            "disagreements": request.app.state.disagreements.open,
            "workers": {"running": workers.running, "silent": workers.silent},
            "clock": deployment.why_clock_is_wrong() or "ok",
            "under_way": workers.under_way,
            "overdue": workers.overdue,
            "overdue_reviews": {rule.id: str(rule.review_due) for rule in due.rules}
            | {one.what: str(one.review) for one in due.overrides},
            "lists": lists_in_words(rules.program.list_ages, clock()),
            "journal": journal.health() if journal is not None else {"status": "off"},
        } | ({"watched": deployment.reload_state()} if deployment.reload_state is not None else {})

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez")
    async def live() -> dict[str, str]:
        """Whether this process answers at all; for an orchestrator that starts it again when it does not."""
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz")
    async def ready(request: Request, response: Response) -> dict[str, str]:
        """Whether requests may be sent here: rules are loaded, and some worker answers."""
        status = _status(request, deployment)
        response.status_code = 503 if status == STUCK else 200
        return {"status": status}

    @router.head("/cds-services", include_in_schema=False)
    @router.get("/cds-services", responses={200: {"model": Discovery}})
    async def discover(request: Request) -> JSONResponse:
        """The services on offer (CDS Hooks 2.0.1, "Discovery")."""
        return JSONResponse(
            discovery_of(list(tenant_rules_of(rules_by_tenant, request).rules.program.services.values()))
        )

    @router.post("/evaluate", openapi_extra=takes(BUNDLE), responses=gives(ANSWER))
    async def evaluate(
        request: Request, service: str | None = None, today: str | None = None, reasons: str = "true"
    ) -> Response:
        """
        Decide for a FHIR R4 Bundle: cards, conclusions, reasons, what is missing.

        `reasons=false` leaves out the trees of reasons, most of an answer's size and cost.
        """
        tenant_rules = tenant_rules_of(rules_by_tenant, request)
        rules = tenant_rules.rules
        if service is not None:
            service_of(rules, service)
        day = day_of(today) if today is not None else deployment.today()

        async with admission.slot():
            body = await read_body(request, settings.max_body_bytes)

            def answer() -> tuple[Decision, bytes]:
                with stage("record"):
                    record = read_bundle(body, **limits(settings, rules))
                decision = decide(rules, record, day, service, stage)
                return decision, msgspec.json.encode(answer_of(rules, decision, flag_of(reasons, "reasons")))

            decision, encoded = await admission.run_in_worker(answer, len(body))
            decided(tenant_rules.tenant, service or "", decision)
            return Response(encoded, media_type="application/json")

    return router


@dataclass(frozen=True, slots=True)
class HookResult:
    """
    One hook, answered.

    Attributes:
        id: Of the decision, as its receipt and its page have it.
        decision: What it rests on.
        response, encoded: What the caller gets, as values and as it is sent.
        receipt: For the journal; None where none is kept.
        seconds: From the read request to the encoded answer.
    """

    id: str
    decision: Decision
    response: Mapping[str, Any]
    encoded: bytes
    receipt: DecisionRecord | None
    seconds: float


def answer_hook(
    tenant_rules: TenantRules,
    service: Service,
    asked: HookRequest,
    today: date,
    *,
    deployment: Deployment,
    called: str,
    earlier: OverrideLookup,
    fetched: Mapping[str, FetchedValue] = NOTHING_FETCHED,
    why_not: str = "nothing is fetched for it",
) -> HookResult:
    """
    Decide what was asked, in one of the threads that decide; noting the receipt is the caller's.

    Args:
        called: The address of this service that was called, for links where no other is set.
        earlier: What was answered to the patient's earlier cards.
        fetched: What was read in place of what the prefetch lacks.
        why_not: Why nothing was.

    Raises:
        RequestError: There is no answer to it.
    """
    rules, journal = tenant_rules.rules, deployment.journal
    begun, decision_id = perf_counter(), str(uuid.uuid4())
    if not answers_other_keys(service, asked):
        refuse_without(service, asked.prefetch, fetched, why_not)
    with stage("record"):
        record = record_of(asked, service.templates, limits(deployment.settings, rules), fetched)
    read = perf_counter()
    decision = decide(rules, earlier.onto(record), today, service.id, stage)
    decided = perf_counter()
    linked: Sequence[Mapping[str, str]] = ()
    if deployment.card_links is not None and decision.cards:
        linked = deployment.card_links.of(
            decision_id, called, tenant_rules.tenant, service.id, asked.access, rules.program.words
        )
    response = response_of(decision.cards, linked)
    encoded = msgspec.json.encode(response)
    if journal is None:
        return HookResult(decision_id, decision, response, encoded, None, perf_counter() - begun)
    took = {"read": read - begun, "decide": decided - read, "answer": perf_counter() - decided}
    with stage("journal"):
        receipt = decision_record_of(
            rules,
            decision,
            call_of(tenant_rules.tenant, service, asked, fetched, earlier),
            card_records_of(decision.cards, response),
            {name: round(seconds * 1000, 3) for name, seconds in took.items()},
            id=decision_id,
            decided_at=datetime.now(UTC),
            keep_input=journal.keeps_inputs and (bool(decision.cards) or deployment.settings.keep_inputs_of == "all"),
        )
    return HookResult(decision_id, decision, response, encoded, receipt, sum(took.values()))


async def _read(request: Request, service: Service, deployment: Deployment) -> tuple[HookRequest, int]:
    """What a hook asks, and in how many bytes; its FHIR data are not read yet."""
    body = await read_body(request, deployment.settings.max_body_bytes)

    def read() -> HookRequest:
        with stage("read"):
            return read_request(body, service)

    if len(body) <= READ_AT_ONCE:
        return read(), len(body)
    return await deployment.admission.run_in_worker(read, len(body)), len(body)


async def _fetch(
    fetcher: Fetcher | None, service: Service, asked: HookRequest
) -> tuple[Mapping[str, FetchedValue], str]:
    """What the prefetch lacks, and why nothing could be fetched ("" if something could, or nothing is lacking)."""
    if fetcher is None:
        return NOTHING_FETCHED, "this service fetches from no server"
    try:
        orders = asked.orders.sent if asked.orders is not None else b""
        with stage("fetch"):
            fetched = await fetcher.fetch(service.prefetch, asked.prefetch, asked.patient_id, asked.access, orders)
    except NoFhirServerError as why:
        metrics.fetches.labels("none", "not usable").inc()
        return NOTHING_FETCHED, str(why)
    for one in fetched.values():
        outcome = "ok" if not one.because else "failed" if one.value is None and one.failed else "partial"
        # Its host is on the allowlist, so that no caller makes up names to count under.
        metrics.fetches.labels(urlsplit(asked.access.server or "").hostname or "none", outcome).inc()
    return fetched, ""


def _status(request: Request, deployment: Deployment) -> str:
    """The health of all workers in a word."""
    workers, journal = request.app.state.workers.health, deployment.journal
    if deployment.admission.stuck or (workers.running and workers.silent == workers.running):
        return STUCK
    degraded = (
        request.app.state.disagreements.open
        or workers.silent
        or (journal is not None and not journal.works)
        or deployment.why_clock_is_wrong()
    )
    return "degraded" if degraded else "ok"


def service_of(rules: Ruleset, identity: str) -> Service:
    """The service of an id; raises UnknownServiceError."""
    service = rules.program.services.get(identity)
    if service is None:
        raise UnknownServiceError(
            "There is no such service", fix=f"GET /cds-services lists them: {', '.join(rules.program.services)}"
        )
    return service


def answers_other_keys(service: Service, asked: HookRequest) -> bool:
    """
    Whether a client of other keys than ours sent something that can be read: by what stands under its keys, or orders.

    Something can be said then, and what else is required and did not come is unknown. A client that uses our keys and
    leaves a required one out is told so (412), and so is one that sends nothing but a Patient.
    """
    if not asked.prefetch or any(prefetch.key in asked.prefetch for prefetch in service.prefetch):
        return False
    if asked.orders is not None and asked.orders.sent not in {b"", b"null"}:
        return True
    return any(not READABLE.isdisjoint(kinds_in(value)) for value in asked.prefetch.values())


def refuse_without(
    service: Service,
    prefetch: Mapping[str, msgspec.Raw],
    fetched: Mapping[str, FetchedValue] = NOTHING_FETCHED,
    why_not: str = "",
) -> None:
    """
    Refuse a request without a prefetch key no answer is possible without (CDS Hooks 2.0.1: 412).

    Once a FHIR server was asked, what it would not give is unknown, like everything that fails; only without the
    patient there is no answer at all.
    """
    missing = [
        p
        for p in service.prefetch
        if p.required and p.key not in prefetch and (p.key not in fetched or _no_patient(p, fetched[p.key]))
    ]
    if missing:
        because = why_not or "; ".join(fetched[p.key].because for p in missing if p.key in fetched)
        raise PrefetchMissingError(
            f"Prefetch is missing {', '.join(p.key for p in missing)}",
            fix="Send " + "; ".join(f"{p.key}: {p.query}" for p in missing)
            + (f". Nothing was fetched instead: {because}" if because else ""),
            where=f"prefetch.{missing[0].key}",
        )  # fmt: skip


def _no_patient(prefetch: Prefetch, fetched: FetchedValue) -> bool:
    return fetched.value is None and prefetch.query.startswith("Patient/")


def flag_of(text: str, where: str) -> bool:
    """
    Yes or no, of a query parameter.

    Raises:
        NotFhirError: It is neither true nor false.
    """
    if text not in ("true", "false"):
        raise NotFhirError(
            f"{where} is neither true nor false", fix=f"Write {where}=true or {where}=false", where=where
        )
    return text == "true"


def day_of(text: str) -> date:
    """
    A day to decide for.

    Raises:
        NotFhirError: It is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise NotFhirError(
            f"today is not a date from {FIRST_YEAR} to {LAST_YEAR}", fix="Write it as 2026-06-01", where="today"
        )
    return day
