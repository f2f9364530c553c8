"""GET /decisions/{id}/leaflets/{leaflet}: general words on a treatment, in a language, on one sheet to print."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cds.errors import NoPageError
from cds.locale.sentence import say
from cds.web.decisions import DecisionLookup
from cds.web.page import Pages, page_route
from cds.web.page_words import LOCALE


def leaflet_routes(pages: Pages, lookup: DecisionLookup) -> APIRouter:
    """The leaflets of the rules that explain a decision, for who has its link."""
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))

    @router.get("/decisions/{decision}/leaflets/{leaflet}")
    async def show(request: Request, decision: str, leaflet: str, key: str = "", language: str = "") -> Response:
        found, rules = await lookup.soon(request, decision, key)
        known = {one.id: one for one in rules.program.leaflets}
        if leaflet not in known:
            listed = ", ".join(known) or say("none")
            raise NoPageError(say("These rules have no such leaflet"), fix=say("There is {names}", names=listed))
        printed = known[leaflet]
        language = language or next(iter(printed.pages))
        if language not in printed.pages:
            listed = ", ".join(printed.pages)
            raise NoPageError(say("This leaflet is not in that language"), fix=say("There is {names}", names=listed))
        values = {"leaflet": printed, "page": printed.pages[language], "kept": found, "key": key}
        return pages.page("leaflet.html", values | {LOCALE: rules.program.words})

    return router
