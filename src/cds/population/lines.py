"""One line of an export → whose it is, and what becomes of it. Pure: local runs and Spark ask the same function."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

import msgspec

from cds.record.fhir import READ_TYPES

ID = re.compile(r"^[A-Za-z0-9\-.]{1,64}$")
OF_PATIENT = re.compile(r"^(?:(.*)/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
OF_PATIENT_IN_BYTES = re.compile(rb'"(?:[^"\\]*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"/]*)?"')
TYPE_IN_BYTES = re.compile(rb'"resourceType"\s*:\s*"([A-Z][A-Za-z]+)"')
BOM = b"\xef\xbb\xbf"


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


class LineHead(msgspec.Struct):
    """What says whose a line is."""

    resourceType: str = ""  # noqa: N815 (FHIR's name)
    id: str = ""
    subject: msgspec.Raw = msgspec.Raw()
    patient: msgspec.Raw = msgspec.Raw()
    hook: str = ""


class PatientReference(msgspec.Struct):
    """A reference to a patient."""

    reference: str = ""


HEAD = msgspec.json.Decoder(LineHead)
REFERENCE = msgspec.json.Decoder(PatientReference)
PASSED_OVER = SortedLine(LineUse.PASSED_OVER)


def sort_line(line: bytes, deleted: frozenset[tuple[str, str]] = frozenset()) -> SortedLine:
    """What a line is; `deleted` are type and id of what was deleted since the export."""
    try:
        head = HEAD.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _no_json(line)
    kind = head.resourceType
    if kind == "Bundle" or head.hook:
        return SortedLine(LineUse.BODY)
    if kind == "Parameters" or (kind, head.id) in deleted:  # the first is the header of a file that holds one patient
        return PASSED_OVER
    if kind == "Medication":
        return SortedLine(LineUse.MEDICATION, kind, head.id)
    if kind not in READ_TYPES:
        return SortedLine(LineUse.NOBODY, kind) if kind else SortedLine(LineUse.FAULT, fault="has no resourceType")
    if kind == "Patient":
        if ID.match(head.id):
            return SortedLine(LineUse.PATIENT, kind, head.id)
        return _of_no_patient(kind, "it has no usable `id`")
    owner, server = _owner(head)
    if owner:
        return SortedLine(LineUse.PATIENT, kind, owner, server)
    if bytes(head.subject) or bytes(head.patient):
        return SortedLine(LineUse.NOBODY, kind)  # a Group, a Device, a Location
    return _of_no_patient(kind, "it has neither `subject` nor `patient`")


def _of_no_patient(kind: str, why: str) -> SortedLine:
    return SortedLine(LineUse.FAULT, kind, fault=f"belongs to no patient: {why}", lost=(kind,))


def _owner(head: LineHead) -> tuple[str, str]:
    """The id of the Patient a resource is about, and the server it is named with; "" where it names none."""
    for raw in (head.subject, head.patient):
        if bytes(raw):
            try:
                named = OF_PATIENT.match(REFERENCE.decode(raw).reference)
            except msgspec.MsgspecError:
                return "", ""
            return (named[2], named[1] or "") if named is not None else ("", "")
    return "", ""


def _no_json(line: bytes) -> SortedLine:
    """A line that is no JSON: its type is in part for its patient, where the line says who, else for everybody."""
    kinds = {kind.decode() for kind in TYPE_IN_BYTES.findall(line)} & READ_TYPES.keys()
    owners = {owner.decode() for owner in OF_PATIENT_IN_BYTES.findall(line)}
    owner = owners.pop() if len(owners) == 1 and kinds else ""
    what = "is not a FHIR resource in one line of JSON"
    return SortedLine(LineUse.FAULT, owner=owner, fault=what, lost=tuple(sorted(kinds or READ_TYPES)))
