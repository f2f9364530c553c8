"""Every address of the console, behind one guard."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from cds.web.console.access import ConsoleAccess
from cds.web.console.analytics import analytics_routes
from cds.web.console.layout import Console
from cds.web.console.overview import live_routes
from cds.web.console.playground import playground_routes
from cds.web.console.rule_files import rule_routes


def add_console(app: FastAPI, console: Console, access: ConsoleAccess) -> None:
    """Add the pages of the console, guarded whatever is added to them; and where people sign in and out."""
    guarded = APIRouter(include_in_schema=False, dependencies=[Depends(access.let_in)])
    kinds = (live_routes, rule_routes, playground_routes, analytics_routes)
    for pages in (made(console) for made in kinds):
        guarded.include_router(pages)
    app.include_router(guarded)
    app.include_router(access.routes(console.pages))
    access.add_to(app)
