"""One line of an export → whose it is, and what becomes of it. Pure: local runs and Spark ask the same function."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from cds.record.fhir import READ_TYPES

ID = re.compile(r"^[A-Za-z0-9\-.]{1,64}$")
OF_PATIENT = re.compile(r"^(?:(.*)/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
OF_ANOTHER_TYPE = re.compile(r"^(?:.*/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?$")
OF_PATIENT_IN_BYTES = re.compile(rb'"(?:[^"\\]*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"/]*)?"')
TYPE_IN_BYTES = re.compile(rb'"resourceType"\s*:\s*"([A-Z][A-Za-z]+)"')
BOM = b"\xef\xbb\xbf"
OWNED_TYPES = READ_TYPES.keys() - {"Patient", "Medication"}
MOST_REMEMBERED = 4_096  # references: the lines of a patient mostly follow one another
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class LineUse(StrEnum):
    """What becomes of a line."""

    PATIENT = "patient"  # a resource of one patient
    BODY = "body"  # a Bundle or a CDS Hooks request: a patient of its own
    MEDICATION = "medication"  # for the orders that name it
    NOBODY = "nobody"  # of a Group, a Device, a type no rule reads
    PASSED_OVER = "passed over"  # deleted since, or a header
    FAULT = "fault"  # it cannot be used


class SortedLine(NamedTuple):
    """
    What a line turned out to be.

    Attributes:
        use: What becomes of it.
        kind: FHIR type, "" where it says none.
        owner: Id of its patient, of a Medication its own id; "" where nothing says it.
        server: Address before the reference to the patient, "" where there is none.
        fault: What keeps it from being used, never its text.
        lost: Types that are not known whole without it: for `owner`, else for everybody.
    """

    use: LineUse
    kind: str = ""
    owner: str = ""
    server: str = ""
    fault: str = ""
    lost: tuple[str, ...] = ()


class LineHead(msgspec.Struct, gc=False):
    """What says whose a line is."""

    resourceType: str = ""  # noqa: N815 (FHIR's name)
    id: str = ""
    subject: msgspec.Raw = msgspec.Raw()
    patient: msgspec.Raw = msgspec.Raw()
    hook: str = ""


class PatientReference(msgspec.Struct):
    """A reference, as far as it says whom it means."""

    reference: str = ""
    type: str = ""


HEAD = msgspec.json.Decoder(LineHead)
REFERENCE = msgspec.json.Decoder(PatientReference)
PASSED_OVER = SortedLine(LineUse.PASSED_OVER)


def sort_line(line: bytes, deleted: frozenset[tuple[str, str]] = frozenset()) -> SortedLine:
    """What a line is; `deleted` are type and id of what was deleted since the export."""
    try:
        head = HEAD.decode(line)
    except UNREADABLE:
        return _no_json(line)
    kind = head.resourceType
    if kind == "Bundle" or head.hook:
        return SortedLine(LineUse.BODY)
    if deleted and (kind, head.id) in deleted:
        return PASSED_OVER
    if kind in OWNED_TYPES:
        return _of_its_subject(kind, bytes(head.subject), bytes(head.patient))
    if kind == "Parameters":  # the header of a file that holds one patient
        return PASSED_OVER
    if kind == "Medication":
        return SortedLine(LineUse.MEDICATION, kind, head.id)
    if kind != "Patient":
        return SortedLine(LineUse.NOBODY, kind) if kind else SortedLine(LineUse.FAULT, fault="has no resourceType")
    if ID.match(head.id):
        return SortedLine(LineUse.PATIENT, kind, head.id)
    return _of_no_patient(kind, "it has no usable `id`")


def _of_no_patient(kind: str, why: str) -> SortedLine:
    return SortedLine(LineUse.FAULT, kind, fault=f"belongs to no patient: {why}", lost=(kind,))


@lru_cache(MOST_REMEMBERED)
def _of_its_subject(kind: str, subject: bytes, patient: bytes) -> SortedLine:
    """
    Whose a resource is, by the JSON of `subject`, else of `patient`; empty where there is none.

    What names another type is of a Group, a Device, a Location. What cannot be followed may name anybody.
    """
    if not subject and not patient:
        return _of_no_patient(kind, "it has neither `subject` nor `patient`")
    try:
        named = REFERENCE.decode(subject or patient)
    except UNREADABLE:
        named = PatientReference()
    if of_patient := OF_PATIENT.match(named.reference):
        return SortedLine(LineUse.PATIENT, kind, of_patient[2], of_patient[1] or "")
    if OF_ANOTHER_TYPE.match(named.reference) or named.type not in {"", "Patient"}:
        return SortedLine(LineUse.NOBODY, kind)
    return _of_no_patient(kind, f"its `{'subject' if subject else 'patient'}` names none by a reference")


def _no_json(line: bytes) -> SortedLine:
    """A line that is no JSON: its type is in part for its patient, where the line says who, else for everybody."""
    kinds = {kind.decode() for kind in TYPE_IN_BYTES.findall(line)} & READ_TYPES.keys()
    owners = {owner.decode() for owner in OF_PATIENT_IN_BYTES.findall(line)}
    owner = owners.pop() if len(owners) == 1 and kinds else ""
    what = "is not a FHIR resource in one line of JSON"
    return SortedLine(LineUse.FAULT, owner=owner, fault=what, lost=tuple(sorted(kinds or READ_TYPES)))
