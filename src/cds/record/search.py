"""FHIR searches as we wrote them in discovery, or as a Bundle's self link says they were run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from cds.record import fhir

WIDE = frozenset(
    # Parameters that leave nothing out: whose data, order, paging, form and what comes along (FHIR R4 §3.1.1.4).
    {
        "patient", "subject", "code", "_count", "_sort", "_format", "_pretty", "_total", "_contained", "_bundletype",
        "_include", "_revinclude", "_include:iterate", "_revinclude:iterate", "_offset", "_page", "page", "_getpages",
        "_getpagesoffset", "_pageId",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """
    One search or read.

    Attributes:
        resource_type: FHIR type asked for; "" when the address names none ($everything).
        codes: Codes it is limited to, without their systems; None when not limited; empty when limited in a way that
            no list of codes tells (code:in=…).
        narrowed_by: Other parameters that leave something out (status, category, date …).
        patient: Id of the patient it names, "" if none.
        most: _count, None if not given.
    """

    resource_type: str
    codes: frozenset[str] | None = None
    narrowed_by: frozenset[str] = frozenset()
    patient: str = ""
    most: int | None = None


def query_of(text: str) -> Query:
    """Read a relative or absolute FHIR search or read, {{tokens}} included: Observation?patient=…&code=system|code,…"""
    try:
        parts = urlsplit(text.replace("{{", "").replace("}}", ""))
    except ValueError:
        return Query("")
    segments = [segment for segment in parts.path.split("/") if segment]
    if segments and segments[-1] == "_search":
        segments.pop()
    resource_type = next(
        (segment for segment in segments[:-3:-1] if segment in fhir.READ_TYPES),
        segments[0] if segments and segments[0][:1].isupper() else "",
    )
    if segments and segments[-1].startswith("$"):
        resource_type = ""
    patient = segments[-2] if len(segments) > 2 and segments[-3] == "Patient" else ""
    codes: frozenset[str] | None = None
    narrowed = set()
    most = None
    for name, value in parse_qsl(parts.query):
        if name == "code" or name.startswith("code:"):
            listed = (
                frozenset(token.rsplit("|", 1)[-1] for token in value.split(",")) if name == "code" else frozenset()
            )
            codes = listed - {""} if codes is None else codes & listed
        elif name in {"patient", "subject"}:
            patient = value.rsplit("/", 1)[-1]
        elif name == "_count" and value.isascii() and value.isdigit():
            most = int(value[:9])
        # US Core has servers demand an intent; orders are what we read, so asking for them leaves nothing out.
        elif name not in WIDE and not (name == "intent" and "order" in value.split(",")):
            narrowed.add(name)
    return Query(resource_type, codes, frozenset(narrowed), patient, most)


@lru_cache(maxsize=256)
def asked_by(template: str) -> Query:
    """`query_of` for a prefetch template of ours; of a text that came in a request nothing would be remembered."""
    return query_of(template)
