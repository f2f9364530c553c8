"""GET /launch, /launch/callback: the page behind a card, opened by the EHR (SMART App Launch 2.2, "EHR Launch")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from itsdangerous import BadSignature, URLSafeTimedSerializer

from cds.api.deployment import Deployment, TenantRules
from cds.auth.smart import (
    LaunchError,
    SmartConfiguration,
    SmartRegistration,
    TokenGrant,
    authorize_at,
    challenge_of,
    configuration_of,
    context_of,
    new_secret,
    scopes_for,
    token_for,
)
from cds.decide import decide
from cds.errors import NoPageError
from cds.fhir_client.fetch import FhirAccess, NoFhirServerError
from cds.fhir_client.network import client_for
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.decision_records import patient_digest
from cds.journal.inputs import StoredDecision, stored_decision
from cds.journal.journal import Journal
from cds.journal.used_tokens import first_use
from cds.locale.sentence import say
from cds.read_request import HookRequest, limits, record_of
from cds.rulebook.compiled_ruleset import Service
from cds.web.explained import explained_values
from cds.web.page import Pages, page_route
from cds.web.write_grants import WriteGrants, set_grant_cookie

MINUTES = 10  # from launch to callback: time to sign in
PURPOSE = "SMART launch"
SAVED = "QuestionnaireResponse"  # the only kind of resource that is ever created
AGAIN = say("Open the chart again, and follow the link of its card")
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
LONGEST = 4_000  # characters of what an EHR sends along


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """What is kept of a launch until its callback, in a signed cookie of the browser that made it."""

    issuer: str
    verifier: str
    configuration: SmartConfiguration


class LaunchCookies:
    """Makes and reads the cookies of launches that wait for their callback."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._made: URLSafeTimedSerializer | None = None

    def cookie(self, state: str, *, secure: bool) -> str:
        """The name of the cookie of one launch; several may wait at once. Over HTTPS no other host can set it."""
        return f"{'__Host-' if secure else ''}launch-{hashlib.sha256(state.encode()).hexdigest()[:16]}"

    def write(self, state: str, pending: PendingLaunch) -> str:
        """What the cookie says."""
        return self._signer().dumps({"state": state, "pending": msgspec.to_builtins(pending)})

    def read(self, state: str, text: str) -> PendingLaunch:
        """
        The launch that is called back, once.

        Raises:
            LaunchError: It is none of this browser's, too old, or was called back before.
        """
        try:
            said = self._signer().loads(text, max_age=MINUTES * 60)
            pending = msgspec.convert(said["pending"], PendingLaunch)
            known = said["state"] == state
        except (BadSignature, msgspec.ValidationError, KeyError, TypeError):
            known = False
        if not known:
            raise LaunchError(say("This launch was not begun in this browser, or too long ago"))
        until = datetime.now(UTC) + timedelta(minutes=MINUTES)
        if not first_use(self._journal.store, PURPOSE, state, until):
            raise LaunchError(say("This launch is over already"))
        return pending

    def _signer(self) -> URLSafeTimedSerializer:
        if self._made is None:
            key = self._journal.store.digest(PURPOSE)
            self._made = URLSafeTimedSerializer(key, PURPOSE, signer_kwargs={"digest_method": hashlib.sha256})
        return self._made


class Launcher:
    """
    Launches of one application.

    Attributes:
        clients: HTTP clients it reads with; to be closed with the application.
    """

    def __init__(
        self,
        pages: Pages,
        registered: tuple[SmartRegistration, ...],
        deployment: Deployment,
        journal: Journal,
        grants: WriteGrants,
    ) -> None:
        timeout = deployment.settings.fetch_seconds
        self.clients = {one.tenant: client_for(one.servers, timeout) for one in registered}
        self._pages = pages
        self._registered = registered
        self._deployment = deployment
        self._journal = journal
        self._grants = grants
        self._launches = LaunchCookies(journal)

    def routes(self) -> APIRouter:
        """The addresses an EHR launches."""
        router = APIRouter(include_in_schema=False, route_class=page_route(self._pages))
        router.add_api_route("/launch", self.launch)
        router.add_api_route("/launch/callback", self.callback)
        return router

    async def launch(self, request: Request, iss: str = "", launch: str = "") -> Response:
        """Send the browser to sign in at the EHR that opened this."""
        if not iss or not launch or max(len(iss), len(launch)) > LONGEST:
            raise NoPageError(say("This page is opened from a chart"), fix=AGAIN)
        one, base = self._known(iss)
        try:
            configuration = await configuration_of(self.clients[one.tenant], base, one.servers)
        except LaunchError as failed:
            raise NoPageError(
                failed.args[0], fix=say("Try again in a moment, or tell those who run this service")
            ) from None
        state, verifier = new_secret(), new_secret()
        address = authorize_at(
            configuration,
            one.app,
            scope=scopes_for(
                _service(self._deployment.rules_by_tenant[one.tenant], {}).prefetch,
                v2=configuration.v2,
                creates=(SAVED,) if "ehr" in self._deployment.settings.save_reviews else (),
            ),
            redirect_uri=self._callback(request),
            launch=launch,
            audience=iss,
            state=state,
            challenge=challenge_of(verifier),
        )
        answer = RedirectResponse(address, status_code=302, headers=NOT_KEPT)
        secure = self._callback(request).startswith("https:")
        answer.set_cookie(
            self._launches.cookie(state, secure=secure),
            await to_thread.run_sync(self._launches.write, state, PendingLaunch(iss, verifier, configuration)),
            max_age=MINUTES * 60,
            path=_path(secure=secure),
            secure=secure,
            httponly=True,
            # In a frame of the EHR this is a cookie of a third party, which browsers send under "none" only.
            samesite="none" if secure and self._deployment.settings.frame_ancestors else "lax",
        )
        return answer

    async def callback(self, request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        """Show the decision, once the EHR has given leave."""
        secure = self._callback(request).startswith("https:")
        name = self._launches.cookie(state, secure=secure)
        try:
            if not state or max(len(state), len(code)) > LONGEST:
                raise LaunchError(say("This page is opened from a chart"))
            pending = await to_thread.run_sync(self._launches.read, state, request.cookies.get(name, ""))
            if error or not code:
                raise LaunchError(say("The EHR did not give leave to read the chart"))
            one, _ = self._known(pending.issuer)
            granted = await token_for(
                self.clients[one.tenant],
                pending.configuration,
                one.app,
                code=code,
                redirect_uri=self._callback(request),
                verifier=pending.verifier,
            )
            answer = await self._explained(request, one, granted, pending.issuer)
        except LaunchError as failed:
            answer = self._pages.nothing(400, failed.args[0], AGAIN)
        answer.delete_cookie(name, path=_path(secure=secure), secure=secure, httponly=True)
        return answer

    async def _explained(self, request: Request, one: SmartRegistration, granted: TokenGrant, issuer: str) -> Response:
        context, tenant_rules = context_of(granted.app_context), self._deployment.rules_by_tenant[one.tenant]
        kept = await to_thread.run_sync(_kept_for, self._journal, tenant_rules, granted.patient, context)
        if kept is not None and self._deployment.links is not None:
            key = await to_thread.run_sync(self._deployment.links.key, kept.id)
            answer = RedirectResponse(f"../decisions/{kept.id}?key={key}", 303, headers=NOT_KEPT)
            self._let_save(request, answer, one, granted, issuer, kept.id)
            return answer
        origin = request.client.host if request.client is not None else ""
        patient = await to_thread.run_sync(patient_digest, self._journal.store, tenant_rules.tenant, granted.patient)
        entry = AuditEntry(
            datetime.now(UTC),
            AuditAction.READ,
            "launch",
            "",
            tenant_rules.tenant,
            request.url.path,
            "",
            patient,
            origin,
        )
        await to_thread.run_sync(record_audit, self._journal.store, entry)
        return await self._decided_now(tenant_rules, granted, issuer, _service(tenant_rules, context))

    def _let_save(
        self,
        request: Request,
        answer: Response,
        one: SmartRegistration,
        granted: TokenGrant,
        issuer: str,
        decision: str,
    ) -> None:
        """Keep a token that may save, for the page of this decision in this browser; any other is forgotten."""
        settings = self._deployment.settings
        if "ehr" not in settings.save_reviews or not granted.may_create(SAVED):
            return
        server = str(one.servers.base_of(issuer))
        secret, seconds = self._grants.keep(one.tenant, granted.patient, server, granted.access_token, granted.seconds)
        secure, framed = self._callback(request).startswith("https:"), bool(settings.frame_ancestors)
        set_grant_cookie(answer, decision, secret, seconds, secure=secure, framed=framed)

    async def _decided_now(
        self, tenant_rules: TenantRules, granted: TokenGrant, issuer: str, service: Service
    ) -> Response:
        if tenant_rules.fetcher is None:
            raise LaunchError(say("This service reads from no FHIR server"))
        access = FhirAccess(issuer, granted.access_token)
        try:
            fetched = await tenant_rules.fetcher.fetch(service.prefetch, {}, granted.patient, access)
        except NoFhirServerError as why:
            raise LaunchError(say("The chart cannot be read: {why}", why=why)) from None
        patient = [one.key for one in service.prefetch if one.query.startswith("Patient/")]
        if any(fetched[key].value is None for key in patient if key in fetched):
            raise LaunchError(say("The EHR did not send the patient whose chart is open"))

        today = self._deployment.today()
        earlier = await self._deployment.overrides.of(
            tenant_rules.rules.program, tenant_rules.tenant, granted.patient, today
        )

        def answer() -> Response:
            bounds = limits(self._deployment.settings, tenant_rules.rules)
            record = record_of(HookRequest({}, granted.patient, "", access), service.templates, bounds, fetched)
            made = decide(tenant_rules.rules, earlier.onto(record), today, service.id)
            about: dict[str, Any] = {"kept": None, "key": "", "changed": False, "differs": [], "now": True}
            return self._pages.page("decision.html", explained_values(tenant_rules.rules, made, service.id) | about)

        async with self._deployment.admission.slot():
            return await self._deployment.admission.run_in_worker(answer)

    def _known(self, issuer: str) -> tuple[SmartRegistration, httpx.URL]:
        for one in self._registered:
            try:
                return one, one.servers.base_of(issuer)
            except ValueError:
                continue
        raise NoPageError(
            say("This service is not set up for this EHR"), fix=say("Tell those who run it the address of your EHR")
        )

    def _callback(self, request: Request) -> str:
        return f"{(self._deployment.settings.public_url or str(request.base_url)).rstrip('/')}/launch/callback"


def _path(*, secure: bool) -> str:
    """Where the cookie of a launch is sent to: __Host- needs the path "/" (RFC 6265bis §4.1.3.2)."""
    return "/" if secure else "/launch"


def _service(tenant_rules: TenantRules, context: Mapping[str, Any]) -> Service:
    """The service whose card was followed, if its hook brings no orders of its own; else the first for a chart."""
    services = tenant_rules.rules.program.services
    named = services.get(str(context.get("service", "")))
    charts = [one for one in services.values() if one.hook == "patient-view"] or list(services.values())
    return named if named is not None and named.hook in ("patient-view", "encounter-start") else charts[0]


def _kept_for(
    journal: Journal, tenant_rules: TenantRules, patient: str, context: Mapping[str, Any]
) -> StoredDecision | None:
    """The decision whose card was followed, where it is kept, and is of this patient of this organisation."""
    decision = context.get("decision")
    found = stored_decision(journal.store, decision) if isinstance(decision, str) else None
    if found is None or found.tenant != tenant_rules.tenant or found.service not in tenant_rules.rules.program.services:
        return None
    return found if found.patient == patient_digest(journal.store, tenant_rules.tenant, patient) else None
