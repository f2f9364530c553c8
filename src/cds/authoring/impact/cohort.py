"""Folders and files of FHIR data → patients, each as one body to decide from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class CohortPatient:
    """
    One patient of a folder of examples or a cohort.

    Attributes:
        name: Where the data stand: a folder, a file, or file and line. Never a name or number of the patient.
        body: A FHIR Bundle or a CDS Hooks request.
    """

    name: str
    body: bytes = field(repr=False)


class CohortResource(msgspec.Struct):
    """What says whose a resource is."""

    resourceType: str = ""  # noqa: N815 (FHIR's name)
    id: str = ""
    subject: msgspec.Raw = msgspec.Raw()
    patient: msgspec.Raw = msgspec.Raw()
    hook: str = ""


class SubjectReference(msgspec.Struct):
    """A FHIR reference."""

    reference: str = ""


def patients_in(place: Path) -> Iterator[CohortPatient]:
    """
    Every patient of a file or folder: *.json (a Bundle or request each) and *.ndjson.

    A line of NDJSON is a Bundle or request, or one resource: those of all files are put together by patient, as in a
    FHIR bulk export. Answers of examples (cards.json) are passed over.

    Raises:
        ValueError: A line is not JSON, or belongs to no patient; says which.
    """
    files = sorted(p for p in place.rglob("*") if p.suffix in {".json", ".ndjson"}) if place.is_dir() else [place]
    lines = [file for file in files if file.suffix == ".ndjson"]
    for file in files:
        if file.suffix == ".json" and file.name != "cards.json":
            named = file.parent if file.name == "request.json" and file.parent != place else file
            yield CohortPatient(_name(named, place), file.read_bytes())
    yield from _in_lines(lines, place)


def _in_lines(files: list[Path], place: Path) -> Iterator[CohortPatient]:
    named: dict[str, str] = {}
    resources: dict[str, list[bytes]] = {}
    for file in files:
        with file.open("rb") as opened:
            for number, line in enumerate(opened, start=1):
                if not line.strip():
                    continue
                where = f"{_name(file, place)}:{number}"
                try:
                    head = msgspec.json.decode(line, type=CohortResource)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise ValueError(f"{where} is not a FHIR resource in one line of JSON") from None
                if head.resourceType == "Bundle" or head.hook:
                    yield CohortPatient(where, line)
                    continue
                identity = _whose(head)
                if not identity:
                    raise ValueError(f"{where} belongs to no patient: it has neither `subject` nor `patient`")
                if head.resourceType == "Patient" or identity not in named:
                    named[identity] = where
                resources.setdefault(identity, []).append(line.strip())
    for identity, own in resources.items():
        yield CohortPatient(named[identity], _bundle(own))


def _whose(resource: CohortResource) -> str:
    if resource.resourceType == "Patient":
        return resource.id
    for raw in (resource.subject, resource.patient):
        if bytes(raw):
            try:
                return msgspec.json.decode(raw, type=SubjectReference).reference.rpartition("Patient/")[2]
            except msgspec.MsgspecError:
                return ""
    return ""


def _bundle(resources: list[bytes]) -> bytes:
    entries = [{"resource": msgspec.Raw(resource)} for resource in resources]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _name(path: Path, place: Path) -> str:
    return path.relative_to(place).as_posix() if place.is_dir() else path.name
