"""Our exceptions → status and OperationOutcome; the only place that knows HTTP codes."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds.api.workers import states_from_environment
from cds.engine.evaluator import DisagreementError
from cds.errors import (
    BusyError,
    NoJournalError,
    NoPageError,
    NoPatientError,
    NotAllowedError,
    NotFhirError,
    NotJsonError,
    PrefetchMissingError,
    RequestError,
    SignInDownError,
    TookTooLongError,
    TooLargeError,
    UnknownRuleError,
    UnknownServiceError,
    WrongClockError,
    WrongPatientError,
)
from cds.journal.store import StoreDownError

log = logging.getLogger(__name__)

STATUS: dict[type[RequestError], tuple[int, str]] = {
    # refusal → HTTP status, FHIR issue-type
    NotJsonError: (400, "structure"),
    NotFhirError: (400, "invalid"),
    WrongPatientError: (400, "conflict"),
    NoPatientError: (400, "required"),
    UnknownServiceError: (404, "not-found"),
    UnknownRuleError: (404, "not-found"),
    PrefetchMissingError: (412, "required"),
    TooLargeError: (413, "too-long"),
    BusyError: (503, "throttled"),
    WrongClockError: (503, "exception"),
    TookTooLongError: (503, "timeout"),
    NoJournalError: (501, "not-supported"),
    NoPageError: (404, "not-found"),
    NotAllowedError: (403, "forbidden"),
    SignInDownError: (503, "transient"),
    RequestError: (400, "invalid"),
}
RETRY_SECONDS = 5
TELL_US = "Tell those who run this service"


def outcome(status: int, code: str, what: str, fix: str = "", where: str = "") -> Response:
    """An error answer with an OperationOutcome that says what, where and how to mend it."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": str(what)}}
    if fix:
        issue["diagnostics"] = str(fix)
    if where:
        issue["expression"] = [where]
    resource = {"resourceType": "OperationOutcome", "issue": [issue]}
    from fhir.resources.R4B.operationoutcome import OperationOutcome  # noqa: PLC0415 (slow to import; nearly no call fails)

    OperationOutcome.model_validate(resource)
    return Response(msgspec.json.encode(resource), status_code=status, media_type="application/fhir+json")


def status_of(refusal: RequestError) -> int:
    """The HTTP status of a refusal."""
    return _status(refusal)[0]


def _status(refusal: RequestError) -> tuple[int, str]:
    return next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)


def register(app: FastAPI) -> None:
    """Let every error of every route be answered here."""
    app.state.workers = states_from_environment()

    @app.exception_handler(RequestError)
    async def refused(_: Request, refusal: RequestError) -> Response:
        status, code = _status(refusal)
        log.info("refused: %s, status %d", type(refusal).__name__, status)
        answer = outcome(status, code, refusal.what, refusal.fix, refusal.where)
        if status == 503:
            answer.headers["Retry-After"] = str(RETRY_SECONDS)
        return answer

    @app.exception_handler(HTTPException)
    async def routed(_: Request, error: HTTPException) -> Response:
        headers = error.headers or {}
        if error.status_code == 404:
            answer = outcome(404, "not-found", "There is nothing at this address", "GET / says what there is")
        elif error.status_code == 405:
            answer = outcome(405, "not-supported", "This address takes another method", f"Use {headers.get('Allow')}")
        else:
            answer = outcome(error.status_code, "processing", str(error.detail))
        answer.headers.update(headers)
        return answer

    @app.exception_handler(DisagreementError)
    async def disagreed(request: Request, disagreement: DisagreementError) -> Response:
        app.state.disagreements.met(request, disagreement)
        log.error("%s", disagreement)  # names of heads and truths only
        return outcome(500, "exception", "The two engines disagree; nobody gets an answer", TELL_US)

    @app.exception_handler(StoreDownError)
    async def down(_: Request, __: StoreDownError) -> Response:
        what = "The journal cannot be written now; nothing of the call was kept"
        answer = outcome(503, "transient", what, f"Send it again in {RETRY_SECONDS} seconds or later")
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
        return answer

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: ClientDisconnect) -> Response:
        log.info("the caller hung up before the request was read")
        return Response(status_code=400)  # nobody is there to read it

    app.add_middleware(ErrorMiddleware)


class ErrorMiddleware:
    """
    Answers 500 for whatever else goes wrong: silence must mean "nothing to say".

    Stands inside the CORS middleware, so that a browser may read these answers too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and see that it is answered."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 (the one place)
            log.error("failed: %s at %s", type(error).__name__, _where(error))
            if not started and scope["type"] == "http":
                answer = outcome(500, "exception", "The service failed; there is no answer", TELL_US)
                await answer(scope, receive, send)


def _where(error: Exception) -> str:
    """Where in the code it happened; the message may hold chart text and is not logged."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-4:]))
