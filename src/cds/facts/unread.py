"""What of a record was not read: the entries whose words or codes nobody here knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from cds.facts.context import KINDS, ConceptReader, concepts_of, entries_to_read, sort_measurements
from cds.record.model import CodedEntry, Measurement, PatientRecord
from cds.terminology.index import TerminologyIndex
from cds.terminology.vocabulary import EntryKind, Reading

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/:^-]{0,39}")
SYSTEM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s|]{1,200}")
IN_WORDS = ("", "")
"""What stands for the code of an entry that has none that could be kept."""


def unread_entries(record: PatientRecord, codes: TerminologyIndex) -> Iterator[CodedEntry | Measurement]:
    """The diagnoses, medications, procedures, allergies, requests, and then observations that were not read."""
    remembering = codes.for_one_record()
    reader = ConceptReader(remembering)
    for entry in entries_to_read(record):
        if reader.read(entry) is Reading.NOT_READ:
            yield entry
    yield from sort_measurements(record, remembering)[1]


def unread_codes(entries: Iterable[CodedEntry | Measurement]) -> Counter[tuple[str, str, str]]:
    """
    (kind, system, code) → how many of these entries, which were not read, without any text of the chart.

    What looks like words instead of a code is left out, as are displays: both may say something of a patient. An entry
    without a code counts under `IN_WORDS`.
    """
    counted: Counter[tuple[str, str, str]] = Counter()
    for entry in entries:
        kind = KINDS[type(entry)].value
        kept = {
            (coding.system, coding.code)
            for concept in concepts_of(entry)
            for coding in concept.codings
            if CODE.fullmatch(coding.code) and SYSTEM.fullmatch(coding.system)
        }
        for system, code in kept or {IN_WORDS}:
            counted[kind, system, code] += 1
    return counted


def most_unread(counted: Mapping[tuple[str, str, str], int], most: int) -> dict[tuple[str, str, str], int]:
    """As many as `most` of `unread_codes`: by how often, results last, since one flowsheet may hold hundreds."""
    first = sorted(counted.items(), key=lambda one: (one[0][0] == EntryKind.OBSERVATION.value, -one[1]))
    return dict(first[:most])
