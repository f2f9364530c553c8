"""Medications that orders refer to and nobody sent: which they are, by what was sent and fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
MARKS = (b"Medication/", b"Medication\\/")  # a value without one refers to none
# A version is taken off.
REFERENCE = re.compile(r"(?:(https?://\S+)/)?(Medication/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,200})(?:/_history/\S+)?")
MOST = 200  # for one request; more are left unknown


class MedicationBundleEntry(msgspec.Struct):
    """One entry of a Bundle."""

    resource: msgspec.Raw = msgspec.Raw(b"null")


class MedicationResponse(msgspec.Struct):
    """What of a resource or Bundle is read here."""

    resourceType: Any = None  # noqa: N815 (FHIR's name)
    id: Any = None
    medicationReference: Any = None  # noqa: N815
    medication: Any = None
    entry: list[MedicationBundleEntry] | None = None


SAID = msgspec.json.Decoder(MedicationResponse)


@dataclass(slots=True)
class MedicationReferences:
    """
    Medications as "Medication/id", as far as values have been looked at.

    Attributes:
        base: The server's: the same id on another server is another drug, so that it is not read.
        there: Sent or fetched.
        by_address: Referred to by the address of the server, not by type and id alone.
        asked: Referred to, not there, and given out to be read.
        read: Answers.
        failed: Why the others did not come.
    """

    base: str
    there: set[str] = field(default_factory=set)
    by_address: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    read: dict[str, bytes] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def lacking(self, values: Iterable[bytes]) -> list[str]:
        """Medications that these values refer to, that no value seen so far holds, and that were not given out."""
        referred: set[str] = set()
        for value in values:
            if any(mark in value for mark in MARKS) or b'"Medication"' in value:
                self._look_at(value, referred)
        new = sorted(referred - self.there - self.asked)[: MOST - len(self.asked)]
        self.asked.update(new)
        return new

    def _look_at(self, value: bytes, referred: set[str]) -> None:
        for said in _resources(value):
            if said.resourceType == "Medication" and isinstance(said.id, str):
                self.there.add(f"Medication/{said.id}")
            for reference in (said.medicationReference, said.medication):
                if (named := self._named_by(reference)) is not None:
                    referred.add(named)

    def _named_by(self, reference: Any) -> str | None:
        while isinstance(reference, dict):  # R5: medication.reference.reference
            reference = reference.get("reference")
        found = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if found is None or found[1] not in {None, self.base}:
            return None
        if found[1]:
            self.by_address.add(found[2])
        return found[2]


def _resources(value: bytes) -> Iterator[MedicationResponse]:
    """The resource, or those of the Bundle, that can be read; record/ says what is wrong with the others."""
    try:
        whole = SAID.decode(value)
    except UNREADABLE:
        return
    yield whole
    for entry in whole.entry or ():
        with suppress(*UNREADABLE):
            yield SAID.decode(entry.resource)
