"""What of a record was not read: the entries whose words or codes nobody here knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from cds.facts.context import KINDS, ConceptReader, concepts_of
from cds.record.model import Allergy, Diagnosis, Exposure, Intervention, PatientRecord
from cds.terminology.index import Codes
from cds.terminology.vocabulary import Reading

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/:^-]{0,39}")
SYSTEM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s|]{1,200}")
IN_WORDS = ("", "")
"""What stands for the code of an entry that has none that could be kept."""

UnreadEntry = Diagnosis | Exposure | Intervention | Allergy


def unread_entries(record: PatientRecord, codes: Codes) -> Iterator[UnreadEntry]:
    """The diagnoses, medications, procedures and allergies of a record that were not read, in its order."""
    entries: tuple[UnreadEntry, ...] = (
        *record.diagnoses,
        *record.exposures,
        *record.interventions,
        *record.allergies,
    )
    reader = ConceptReader(codes)
    for entry in entries:
        if reader.read(entry) is Reading.NOT_READ:
            yield entry


def unread_codes(entries: Iterable[UnreadEntry]) -> Counter[tuple[str, str, str]]:
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
