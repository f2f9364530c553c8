"""GET /console/audit: who looked at what of patients, newest first; all of it as FHIR AuditEvents."""

from __future__ import annotations

from datetime import UTC, datetime

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from cds.errors import NoJournalError
from cds.journal.audit import audit_as_ndjson, newest_audit
from cds.journal.store import Store
from cds.locale.sentence import say
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import AUDIT

ON_A_PAGE = 200
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def audit_routes(console: Console) -> APIRouter:
    """The page, and the export."""
    router = APIRouter(route_class=console_route(console.pages))

    def store() -> Store:
        if console.deployment.journal is None:
            raise NoJournalError(
                say("There is no journal, so that no look is recorded"), fix=say("Set CDS_JOURNAL on the server")
            )
        return console.deployment.journal.store

    @router.get(AUDIT)
    async def page(request: Request, before: str = "") -> Response:
        number = int(before) if before.isdecimal() and len(before) < 19 else None
        looks = await to_thread.run_sync(newest_audit, store(), number, ON_A_PAGE)
        values = {
            "looks": looks,
            "older": looks[-1][0] if len(looks) == ON_A_PAGE else None,
            "export": f"{AUDIT}.ndjson",
        }
        return console.page(request, "console/audit.html", values)

    @router.get(f"{AUDIT}.ndjson")
    async def export(request: Request) -> Response:  # noqa: ARG001 (what a route is called with)
        headers = {"Content-Disposition": 'attachment; filename="audit.ndjson"', "Cache-Control": "no-store"}
        return StreamingResponse(audit_as_ndjson(store(), FIRST), media_type="application/fhir+ndjson", headers=headers)

    return router
