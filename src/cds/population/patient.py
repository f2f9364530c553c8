"""The lines of one patient → one Bundle: what was exported of each type as the search that would have found it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

MEDICATION = re.compile(rb'"((?:[^"\\]*/)?)Medication/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"/]*)?"')
NOT_READ = msgspec.json.encode(
    {
        "resource": {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": "incomplete", "diagnostics": "a line of the export was not read"}],
        },
        "search": {"mode": "outcome"},
    }
)
CHARTED = ("recordedDate", "issued", "authoredOn", "dateAsserted", "authored", "created")


class ChartedDates(msgspec.Struct):
    """When an entry was written into the chart, under the names that FHIR has for it."""

    recordedDate: str | None = None  # noqa: N815 (FHIR's names)
    issued: str | None = None
    authoredOn: str | None = None  # noqa: N815
    dateAsserted: str | None = None  # noqa: N815
    authored: str | None = None
    created: str | None = None


@dataclass(slots=True)
class PatientLines:
    """
    The lines of one patient.

    Attributes:
        id: The logical id of the Patient.
        name: Where the Patient line is, or the first line about them: file and line, never a name of theirs.
        by_type: FHIR type → lines.
        not_read: Types of which a line of this patient could not be read.
    """

    id: str
    name: str
    by_type: dict[str, list[bytes]] = field(default_factory=dict)
    not_read: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ExportedTypes:
    """
    What holds for every patient of an export.

    Attributes:
        types: Types that were exported: a patient without one has none.
        narrowed: Type → the search it was narrowed by.
        in_part: Types of which a line could not be read, and nothing says whose it was.
        base: Address of the FHIR server, "" where nothing says it.
        medications: Id → the Medication that orders of any patient may name.
    """

    types: frozenset[str]
    narrowed: Mapping[str, str]
    in_part: frozenset[str]
    base: str
    medications: Mapping[bytes, bytes] = field(repr=False)


def bundle_of(patient: PatientLines, export: ExportedTypes, known_on: str = "") -> bytes:
    """
    The Bundle to decide from: the Patient, and a searchset for each type that was exported or found.

    A type that was exported and of which this patient has nothing is an empty search: none. Of a type with a line
    that could not be read, the search reports an error: in part. With `known_on`, an ISO day, what was charted after
    it is left out.
    """
    entries = [_entry(line) for line in patient.by_type.get("Patient", ())]
    kinds = (export.types | patient.by_type.keys() | patient.not_read) - {"Patient", "Medication", ""}
    for kind in sorted(kinds):
        lines = sorted(patient.by_type.get(kind, ()))
        if known_on:
            lines = [line for line in lines if not _charted_after(line, known_on)]
        inside = [_entry(line) for line in lines]
        if kind in patient.not_read or kind in export.in_part:
            inside.append(NOT_READ)
        query = export.narrowed.get(kind, "")
        searched = f"{kind}?patient={patient.id}" + (f"&{query}" if query else "")
        entries.append(_entry(_searchset(searched if kind in export.types else "", inside)))
    entries += _named_medications(patient, export)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + b",".join(entries) + b"]}"


def _entry(resource: bytes) -> bytes:
    return b'{"resource":' + resource + b"}"


def _searchset(searched: str, entries: Iterable[bytes]) -> bytes:
    link = msgspec.json.encode([{"relation": "self", "url": searched}] if searched else [])
    return b'{"resourceType":"Bundle","type":"searchset","link":' + link + b',"entry":[' + b",".join(entries) + b"]}"


def _charted_after(line: bytes, day: str) -> bool:
    try:
        dates = msgspec.json.decode(line, type=ChartedDates)
    except msgspec.MsgspecError:
        return False  # the reader judges it
    charted = next((text for name in CHARTED if (text := getattr(dates, name))), "")
    return charted[:10] > day if len(charted) >= len(day) else False


def _named_medications(patient: PatientLines, export: ExportedTypes) -> list[bytes]:
    """The Medications that this patient's orders name, under the address they are named by."""
    named: dict[tuple[bytes, bytes], None] = {}
    for kind in sorted(patient.by_type):
        if kind.startswith("Medication"):
            for line in sorted(patient.by_type[kind]):
                named |= dict.fromkeys(MEDICATION.findall(line))
    base = f"{export.base}/".encode() if export.base else b""
    return [
        b'{"fullUrl":"' + server + b"Medication/" + identity + b'","resource":' + export.medications[identity] + b"}"
        if server
        else _entry(export.medications[identity])
        for server, identity in named
        if identity in export.medications and server in (b"", base)
    ]
