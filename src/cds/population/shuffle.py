"""Lines of an export → buckets on disk, each with all lines of its patients: what does not fit in memory is sorted."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from isal import igzip

from cds.population.export import Export, ExportFile, open_gzip, opened
from cds.population.patient import ExportedTypes, PatientLines
from cds.record.fhir import READ_TYPES

BUCKETS = 64
MOST_NAMED = 1_000  # faults that are named; more are counted
ID = re.compile(r"^[A-Za-z0-9\-.]{1,64}$")
OF_PATIENT = re.compile(r"^(?:(.*)/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
OF_PATIENT_IN_BYTES = re.compile(rb'"(?:[^"\\]*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"/]*)?"')
TYPE_IN_BYTES = re.compile(rb'"resourceType"\s*:\s*"([A-Z][A-Za-z]+)"')
SEPARATOR = b"\t"


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


@dataclass(slots=True)
class Shuffled:
    """
    What the first pass over an export found.

    Attributes:
        folder: Where the buckets are.
        files: Names of the files that were read, by the number buckets know them by.
        types: Types that were met.
        medications: Id → Medication, for the orders that name one.
        requests: File → lines that are a Bundle or request each, a patient of its own; [0] where the whole file is one.
        faults: "file:line what" of the first lines that could not be used; never their text.
        bad_lines: How many there are in all.
        not_read: Owner → types with a line that could not be read.
        in_part: Types with a line that could not be read, and nothing says whose it was.
        no_patient: Type → lines of types that belong to no patient.
        bases: Address of a server → how many references name it.
    """

    folder: Path
    files: tuple[str, ...]
    types: set[str] = field(default_factory=set)
    medications: dict[bytes, bytes] = field(default_factory=dict)
    requests: dict[ExportFile, list[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    bad_lines: int = 0
    not_read: dict[str, set[str]] = field(default_factory=dict)
    in_part: set[str] = field(default_factory=set)
    no_patient: Counter[str] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)

    def bucket_of(self, owner: str) -> Path | None:
        """The bucket with the lines of this patient, None if it holds nothing."""
        bucket = self.folder / _bucket_name(_bucket_number(owner))
        return bucket if bucket in self.buckets() else None

    def buckets(self) -> list[Path]:
        """The buckets with something in them."""
        return sorted(self.folder.glob("bucket-*.gz"))


def shuffle(export: Export, folder: Path) -> Shuffled:
    """Read every line once, and write it into the bucket of its patient. Memory does not grow with the export."""
    found = Shuffled(folder, tuple(file.name for file in export.files))
    deleted = _deleted(export)
    buckets = [open_gzip(folder / _bucket_name(number), "wb") for number in range(BUCKETS)]
    try:
        for number, file in enumerate(export.files):
            if not file.lines:
                found.requests[file] = [0]
                continue
            for line_number, line in _lines_of(file, found):
                _take(line, (number, file, line_number), found, buckets, deleted)
    finally:
        for bucket in buckets:
            bucket.close()
    for file in export.errors:
        found.in_part |= {file.type} if file.type else export.types
    return found


def _lines_of(file: ExportFile, found: Shuffled) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with opened(file) as reading:
            for number, line in enumerate(reading, start=1):
                if text := line.strip().removeprefix(b"\xef\xbb\xbf"):
                    yield number, text
    except (OSError, EOFError, zlib.error, igzip.BadGzipFile):
        _fault(found, f"{file.name}:{number + 1}", "the file cannot be read further")
        found.in_part |= {file.type} if file.type else set(READ_TYPES)


def _take(
    line: bytes,
    where: tuple[int, ExportFile, int],
    found: Shuffled,
    buckets: list[BinaryIO],
    deleted: frozenset[tuple[str, str]],
) -> None:
    number, file, line_number = where
    try:
        head = HEAD.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        _set_aside(line, f"{file.name}:{line_number}", found)
        return
    kind = head.resourceType
    if kind == "Bundle" or head.hook:
        found.requests.setdefault(file, []).append(line_number)
        return
    if kind == "Parameters":  # the header of a file that holds one patient
        return
    if (kind, head.id) in deleted:
        return
    if kind == "Medication":
        found.medications[head.id.encode()] = line
        found.types.add(kind)
        return
    if kind not in READ_TYPES:
        found.no_patient[kind or "no type"] += 1
        if not kind:
            _fault(found, f"{file.name}:{line_number}", "has no resourceType")
        return
    owner = _owner(head, found) if kind != "Patient" else head.id if ID.match(head.id) else ""
    found.types.add(kind)
    if not owner:
        if kind == "Patient" or not (bytes(head.subject) or bytes(head.patient)):
            found.in_part.add(kind)
            what = "it has no usable `id`" if kind == "Patient" else "it has neither `subject` nor `patient`"
            _fault(found, f"{file.name}:{line_number}", f"belongs to no patient: {what}")
        else:
            found.no_patient[kind] += 1  # a Group, a Device, a Location
        return
    place = f"{number}:{line_number}".encode()
    buckets[_bucket_number(owner)].write(SEPARATOR.join((owner.encode(), kind.encode(), place, line)) + b"\n")


def _bucket_number(owner: str) -> int:
    return zlib.crc32(owner.encode()) % BUCKETS


def _bucket_name(number: int) -> str:
    return f"bucket-{number:02}.gz"


def _owner(head: LineHead, found: Shuffled) -> str:
    """The id of the Patient a resource is about, "" where it names none."""
    for raw in (head.subject, head.patient):
        if bytes(raw):
            try:
                named = OF_PATIENT.match(REFERENCE.decode(raw).reference)
            except msgspec.MsgspecError:
                return ""
            if named is not None:
                if named[1]:
                    found.bases[named[1]] += 1
                return named[2]
            return ""
    return ""


def _set_aside(line: bytes, where: str, found: Shuffled) -> None:
    """A line that is no JSON: its type is in part for its patient, where the line says who, else for everybody."""
    kinds = {kind.decode() for kind in TYPE_IN_BYTES.findall(line)} & READ_TYPES.keys()
    owners = {owner.decode() for owner in OF_PATIENT_IN_BYTES.findall(line)}
    if len(owners) == 1 and kinds:
        found.not_read.setdefault(owners.pop(), set()).update(kinds)
    else:
        found.in_part |= kinds or set(READ_TYPES)
    _fault(found, where, "is not a FHIR resource in one line of JSON")


def _fault(found: Shuffled, where: str, what: str) -> None:
    found.bad_lines += 1
    if len(found.faults) < MOST_NAMED:
        found.faults.append(f"{where} {what}")


class DeletedEntry(msgspec.Struct):
    """An entry of a Bundle of deletions."""

    request: dict[str, str] | None = None


class DeletedBundle(msgspec.Struct):
    """A line of a file of deletions (Bulk Data Access IG)."""

    entry: list[DeletedEntry] | None = None


def _deleted(export: Export) -> frozenset[tuple[str, str]]:
    """Type and id of what was deleted since."""
    gone = set()
    for file in export.deleted:
        with opened(file) as reading:
            for line in reading:
                try:
                    read = msgspec.json.decode(line, type=DeletedBundle)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue
                for entry in read.entry or ():
                    parts = (entry.request or {}).get("url", "").split("/")
                    if len(parts) >= 2:
                        gone.add((parts[-2], parts[-1]))
    return frozenset(gone)


def exported_types(export: Export, found: Shuffled) -> ExportedTypes:
    """What holds for every patient, once all lines were seen."""
    base = export.base or next((server for server, _ in found.bases.most_common(1)), "")
    return ExportedTypes(
        frozenset(export.types | found.types), export.narrowed, frozenset(found.in_part), base, found.medications
    )


def patients_of(bucket: Path, files: tuple[str, ...], not_read: Mapping[str, set[str]]) -> list[PatientLines]:
    """The patients of a bucket, sorted by id. Lines keep their bytes; copies of one resource are kept."""
    patients: dict[str, PatientLines] = {}
    with open_gzip(bucket, "rb") as reading:
        for line in reading:
            owner, kind, place, resource = line.rstrip(b"\n").split(SEPARATOR, 3)
            number, _, line_number = place.decode().partition(":")
            identity, name = owner.decode(), f"{files[int(number)]}:{line_number}"
            patient = patients.setdefault(identity, PatientLines(identity, name))
            if kind == b"Patient":
                patient.name = name
            patient.by_type.setdefault(kind.decode(), []).append(resource)
    for identity in not_read.keys() & patients.keys():
        patients[identity].not_read |= not_read[identity]
    return [patients[identity] for identity in sorted(patients)]
