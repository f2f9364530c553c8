"""Every address of the console, behind one guard."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from cds.web.console.analytics import analytics_routes
from cds.web.console.audit_log import audit_routes
from cds.web.console.layout import Console
from cds.web.console.overview import disagreement_routes, live_routes
from cds.web.console.playground import playground_routes
from cds.web.console.rule_files import rule_routes
from cds.web.console.users import Role


def add_console(app: FastAPI, console: Console) -> None:
    """Add the pages of the console, guarded whatever is added to them; and where people sign in and out."""
    guarded = APIRouter(include_in_schema=False, dependencies=[Depends(console.access.let_in)])
    kinds = (
        (live_routes, Role.VIEWER, False),
        (rule_routes, Role.VIEWER, False),
        (playground_routes, Role.STEWARD, False),
        (disagreement_routes, Role.STEWARD, False),
        (analytics_routes, Role.ANALYST, True),
        (audit_routes, Role.ADMIN, True),
    )
    for made, role, recorded in kinds:
        guarded.include_router(made(console), dependencies=[Depends(console.needs(role, recorded=recorded))])
    app.include_router(guarded)
    app.include_router(console.access.routes(console.pages))
    console.access.add_to(app)
