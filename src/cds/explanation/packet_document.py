"""Evidence packet → a FHIR R4 document: a Composition whose sections name the entries they rest on, with these."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import Any

import msgspec

from cds.explanation.packet import Claim, EvidencePacket, PacketSection
from cds.locale.catalog import Catalog
from cds.locale.sentence import join_texts
from cds.rulebook.packet_form import PacketForm

Json = dict[str, Any]
XHTML = "http://www.w3.org/1999/xhtml"
SPACE = uuid.UUID("6d1f3f0e-4d3f-5a0b-9c56-0f5d6d3c6a11")  # of our own; any, and the same in every version


def packet_as_document(made: EvidencePacket, form: PacketForm, words: Catalog, body: bytes, now: datetime) -> Json:
    """
    The packet as a document Bundle.

    Args:
        made: The packet.
        form: Its words.
        words: Those of the program, in the language of the rules.
        body: What was decided from, as JSON: the resources that the packet names are taken from it.
        now: When the document is put together.
    """
    held = dict(_resources(msgspec.json.decode(body)))
    named = [made.patient, *(one for section in made.sections for claim in section.claims for one in claim.references)]
    inside = {one: _urn(one) for one in dict.fromkeys(named) if one in held}
    composition: Json = {
        "resourceType": "Composition",
        "status": "preliminary",
        "type": {"text": f"{form.title}: {made.title}"},
        "subject": _reference(made.patient, inside),
        "date": now.isoformat(timespec="seconds"),
        "author": [{"display": "Thirdline"}],
        "title": f"{form.title}: {made.title}",
        "section": [*_sections(made, form, words, inside)],
    }
    number = str(uuid.uuid5(SPACE, msgspec.json.encode(composition).decode()))
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{number}"},
        "timestamp": now.isoformat(timespec="seconds"),
        "entry": [
            {"fullUrl": _urn(number), "resource": composition},
            *({"fullUrl": url, "resource": held[one]} for one, url in inside.items()),
        ],
    }


def _urn(text: str) -> str:
    return f"urn:uuid:{uuid.uuid5(SPACE, text)}"


def _reference(one: str, inside: dict[str, str]) -> Json:
    """A reference to an entry of the document, or to what stayed where it is."""
    return {"reference": inside[one], "display": one} if one in inside else {"reference": one}


def _sections(made: EvidencePacket, form: PacketForm, words: Catalog, inside: dict[str, str]) -> Iterator[Json]:
    for section in made.sections:
        if not section.claims:
            continue
        references = dict.fromkeys(one for claim in section.claims for one in claim.references)
        found: Json = {
            "title": section.title,
            "text": {"status": "generated", "div": f'<div xmlns="{XHTML}">{_table(section, form, words)}</div>'},
        }
        if references:
            found["entry"] = [_reference(one, inside) for one in references]
        yield found


def _table(section: PacketSection, form: PacketForm, words: Catalog) -> str:
    columns = form.trial_columns if section.name == "trials" else form.claim_columns
    rows = [list(columns.values()), *(_row(claim, section, form) for claim in section.claims)]
    lines = ["".join(f"<td>{escape(words(cell))}</td>" for cell in row) for row in rows]
    return f"<table><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def _row(claim: Claim, section: PacketSection, form: PacketForm) -> list[str]:
    shown_by = join_texts(", ", (*claim.references, *filter(None, (claim.stated,))))
    if section.name == "trials":
        return [*(claim.cells.get(name, "") for name in form.trial_columns if name != "shown_by"), shown_by]
    return [claim.about, claim.says, claim.status, shown_by]


def _resources(value: Any) -> Iterator[tuple[str, Json]]:
    """Every resource inside, with its reference."""
    if isinstance(value, dict):
        if isinstance(value.get("resourceType"), str) and isinstance(value.get("id"), str):
            yield f"{value['resourceType']}/{value['id']}", value
        for member in value.values():
            yield from _resources(member)
    elif isinstance(value, list):
        for member in value:
            yield from _resources(member)
