"""The lines of one patient → one Bundle: what was exported of each type as the search that would have found it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from cds.population.index_days import DecisionDay
from cds.record.collect import too_many_entries

BOM = b"\xef\xbb\xbf"
MEDICATION = re.compile(rb'"((?:[^"\\]*/)?)Medication/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"/]*)?"')
ENTRY, ENTRIES = b'{"resource":', b'},{"resource":'
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
        by_type: FHIR type → lines; empty where there are too many.
        not_read: Types of which a line of this patient could not be read.
        resources: How many lines there are.
        too_many: The number of lines that are read of a patient, where there are more; else 0.
        days: Days to decide for, where a file names them.
    """

    id: str
    name: str
    by_type: dict[str, list[bytes]] = field(default_factory=dict)
    not_read: set[str] = field(default_factory=set)
    resources: int = 0
    too_many: int = 0
    days: list[DecisionDay] = field(default_factory=list)

    def add(self, kind: str, line: bytes, most: int) -> None:
        """Take a line; beyond `most`, none is kept."""
        self.resources += 1
        if self.resources > most:
            self.too_many = most
            self.by_type.clear()
        else:
            self.by_type.setdefault(kind, []).append(line)


@dataclass(frozen=True, slots=True)
class CohortPatient:
    """
    One patient of a folder of examples, or of an export.

    Attributes:
        name: Where the data are: a folder, a file, or file and line. Never a name or number of the patient.
        id: What rows name the patient by: the id in the export; file and line for a Bundle or request.
        as_known_on: ISO day → a FHIR Bundle or CDS Hooks request without what was charted after it; "" → with all.
            It raises TooLargeError where there is more than is read of one patient.
    """

    name: str
    id: str
    as_known_on: Callable[[str], bytes] = field(repr=False)

    @property
    def body(self) -> bytes:
        """All there is."""
        return self.as_known_on("")

    def body_as_of(self, day: date, today: date) -> bytes:
        """What was charted by that day; as of today, nothing is left out."""
        return self.as_known_on("" if day == today else day.isoformat())


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

    Raises:
        TooLargeError: There are more lines than are read of one patient.
    """
    if patient.too_many:
        raise too_many_entries(patient.too_many)
    entries = [_entry(line) for line in patient.by_type.get("Patient", ())]
    kinds = (export.types | patient.by_type.keys() | patient.not_read) - {"Patient", "Medication", ""}
    for kind in sorted(kinds):
        lines = sorted(patient.by_type.get(kind, ()))
        if known_on:
            lines = [line for line in lines if not _charted_after(line, known_on)]
        inside = [ENTRY + ENTRIES.join(lines) + b"}"] if lines else []
        if kind in patient.not_read or kind in export.in_part:
            inside.append(NOT_READ)
        query = export.narrowed.get(kind, "")
        searched = f"{kind}?patient={patient.id}" + (f"&{query}" if query else "")
        entries.append(_entry(_searchset(searched if kind in export.types else "", inside)))
    entries += _named_medications(patient, export)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + b",".join(entries) + b"]}"


def _entry(resource: bytes) -> bytes:
    return ENTRY + resource + b"}"


def _searchset(searched: str, entries: Iterable[bytes]) -> bytes:
    link = msgspec.json.encode([{"relation": "self", "url": searched}] if searched else [])
    return b'{"resourceType":"Bundle","type":"searchset","link":' + link + b',"entry":[' + b",".join(entries) + b"]}"


def _charted_after(line: bytes, day: str) -> bool:
    try:
        dates = msgspec.json.decode(line, type=ChartedDates)
    except msgspec.MsgspecError:
        return False  # the reader judges it
    return _is_after(next((text for name in CHARTED if (text := getattr(dates, name))), ""), day)


def _is_after(charted: str, day: str) -> bool:
    """Whether a moment is surely after a day: a year or month is not, as long as the day lies in it."""
    return charted[: len(day)] > day[: len(charted)]


def body_known_on(body: bytes, day: str) -> bytes:
    """
    A Bundle or CDS Hooks request without the entries that were charted after an ISO day; "" leaves nothing out.

    What cannot be read comes back as it is: the reader judges it.
    """
    if not day:
        return body
    try:
        sent = msgspec.json.decode(body.removeprefix(BOM))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    return msgspec.json.encode(sent) if _leave_out_later(sent, day) else body


def _leave_out_later(sent: Any, day: str) -> bool:
    """Take later entries out of every Bundle inside; whether there were any."""
    if not isinstance(sent, dict):
        return False
    entries = sent.get("entry")
    later = 0
    if sent.get("resourceType") == "Bundle" and isinstance(entries, list):
        known = [entry for entry in entries if not _entry_is_later(entry, day)]
        later = len(entries) - len(known)
        sent["entry"] = known
        if isinstance(sent.get("total"), int):
            sent["total"] -= later
    inside = [entry.get("resource") for entry in sent.get("entry") or () if isinstance(entry, dict)]
    if isinstance(prefetch := sent.get("prefetch"), dict) and "hook" in sent:
        inside += prefetch.values()
    return sum(_leave_out_later(one, day) for one in inside) + later > 0


def _entry_is_later(entry: Any, day: str) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") in {"Bundle", "Patient"}:
        return False
    charted = next((text for name in CHARTED if (text := resource.get(name))), "")
    return isinstance(charted, str) and _is_after(charted, day)


def _named_medications(patient: PatientLines, export: ExportedTypes) -> list[bytes]:
    """The Medications that this patient's orders name, under the address they are named by."""
    named: dict[tuple[bytes, bytes], None] = {}
    for kind in sorted(patient.by_type):
        if kind.startswith("Medication"):
            for line in sorted(patient.by_type[kind]):
                if b"Medication/" in line:
                    named |= dict.fromkeys(MEDICATION.findall(line))
    base = f"{export.base}/".encode() if export.base else b""
    return [
        b'{"fullUrl":"' + server + b"Medication/" + identity + b'","resource":' + export.medications[identity] + b"}"
        if server
        else _entry(export.medications[identity])
        for server, identity in named
        if identity in export.medications and server in (b"", base)
    ]
