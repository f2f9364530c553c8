"""GET /decisions/{id}/packet: what the record shows for a payer or a letter, as a page to print, JSON or FHIR."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds.decide import Ruleset
from cds.errors import NoPageError
from cds.explanation.packet import EvidencePacket, packet, packet_as_json, payers_of
from cds.explanation.packet_document import packet_as_document
from cds.locale.catalog import Catalog
from cds.locale.sentence import say
from cds.rulebook.compiled_ruleset import Published
from cds.rulebook.packet_form import PacketForm
from cds.web.decisions import DecisionLookup
from cds.web.page import STATIC, Pages, environment, page_route
from cds.web.page_words import LOCALE

FORMATS = ("html", "json", "fhir")
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def packet_routes(pages: Pages, lookup: DecisionLookup) -> APIRouter:
    """The packet of a decision whose data the journal keeps."""
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))

    @router.get("/decisions/{decision}/packet")
    async def show(request: Request, decision: str, key: str = "", payer: str = "", format: str = "html") -> Response:  # noqa: A002 (of the address)
        found, rules = await lookup.soon(request, decision, key)
        form, chosen = chosen_of(rules, payer)
        if format not in FORMATS:
            raise NoPageError(say("There is no such format"), fix=say("Ask for {formats}", formats=", ".join(FORMATS)))

        def answer() -> Response:
            made = packet(rules, lookup.decided(found, rules, found.body), form, chosen)
            if format == "json":
                return Response(packet_text(made, rules.program.words), media_type="application/json", headers=PRIVATE)
            if format == "fhir":
                document = packet_as_document(made, form, rules.program.words, found.body, datetime.now(UTC))
                return Response(msgspec.json.encode(document), media_type="application/fhir+json", headers=PRIVATE)
            choices = {"": form.letter} | {one.id: one.label for one in payers_of(rules)}
            about: dict[str, Any] = {"made": made, "form": form, "style": "", "choices": choices}
            return pages.page("packet.html", about | {"kept": found, "key": key, LOCALE: rules.program.words})

        return await lookup.in_worker(answer)

    return router


def chosen_of(rules: Ruleset, payer: str) -> tuple[PacketForm, Published | None]:
    """
    The words of packets, and the payer of an id; None for "", which asks for a letter.

    Raises:
        NoPageError: These rules make no packets, or do not have that payer among the definitions they show.
    """
    form = rules.program.packet
    if form is None:
        raise NoPageError(say("These rules make no packets"), fix=say("Add review/packet.yaml to the folder of rules"))
    if not payer:
        return form, None
    known = {one.id: one for one in payers_of(rules)}
    if payer not in known:
        listed = ", ".join(known) or say("none; CDS_SHOW_DEFINITIONS names those to be shown")
        raise NoPageError(
            say("There is no such payer among the definitions that are shown"),
            fix=say("There is {listed}", listed=listed),
        )
    return form, known[payer]


def packet_text(made: EvidencePacket, words: Catalog) -> bytes:
    """The packet as JSON."""
    return msgspec.json.format(msgspec.json.encode(packet_as_json(made, words)), indent=2) + b"\n"


def packet_page(made: EvidencePacket, form: PacketForm, words: Catalog) -> str:
    """The packet as a page of its own, in the language of the rules, with its style in it."""
    style = (Path(STATIC) / "packet.css").read_text(encoding="utf-8")
    values = {"made": made, "form": form, "style": style, "choices": {}, LOCALE: words}
    return environment().get_template("packet.html").render(values)
