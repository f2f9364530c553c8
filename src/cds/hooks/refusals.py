"""Our exceptions → status and OperationOutcome; the only place that knows HTTP codes."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

from fastapi import FastAPI, Request, Response
from fhir.resources.R4B.operationoutcome import OperationOutcome
from starlette.exceptions import HTTPException

from cds.reasoning.conclude import Disagreement
from cds.refusal import NoPatient, NotFhir, NotJson, PrefetchMissing, Refusal, TooLarge, UnknownService, WrongPatient

log = logging.getLogger(__name__)

STATUS: dict[type[Refusal], tuple[int, str]] = {
    # refusal → HTTP status, FHIR issue-type
    NotJson: (400, "structure"),
    NotFhir: (400, "invalid"),
    WrongPatient: (400, "conflict"),
    NoPatient: (400, "required"),
    UnknownService: (404, "not-found"),
    PrefetchMissing: (412, "required"),
    TooLarge: (413, "too-long"),
}


def outcome(status: int, code: str, what: str, fix: str = "", where: str = "") -> Response:
    """An error answer with an OperationOutcome that says what, where and how to mend it."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": what}}
    if fix:
        issue["diagnostics"] = fix
    if where:
        issue["expression"] = [where]
    resource = {"resourceType": "OperationOutcome", "issue": [issue]}
    OperationOutcome.model_validate(resource)
    return Response(json.dumps(resource), status_code=status, media_type="application/fhir+json")


def register(app: FastAPI) -> None:
    """Let every error of every route be answered here."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        status, code = STATUS[type(refusal)]
        log.info("refused: %s, status %d", type(refusal).__name__, status)
        return outcome(status, code, refusal.what, refusal.fix, refusal.where)

    @app.exception_handler(HTTPException)
    async def routed(_: Request, error: HTTPException) -> Response:
        code = "not-found" if error.status_code == 404 else "not-supported"
        answer = outcome(error.status_code, code, str(error.detail), "See /openapi.json for what can be called")
        answer.headers.update(error.headers or {})
        return answer

    @app.middleware("http")
    async def wrong(request: Request, call_next: Any) -> Response:
        try:
            return await call_next(request)  # type: ignore[no-any-return]
        except Disagreement as disagreement:
            app.state.disagreements += 1
            log.error("%s", disagreement)
            return outcome(
                500, "exception", "The two engines disagree; nobody gets an answer", "Tell those who run this service"
            )
        except Exception as error:  # noqa: BLE001 (the one place: silence must mean "nothing to say")
            log.error("failed: %s at %s", type(error).__name__, _where(error))
            return outcome(
                500, "exception", "The service failed; there is no answer", "Tell those who run this service"
            )


def _where(error: Exception) -> str:
    """Where in the code it happened; the message may hold chart text and is not logged."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
