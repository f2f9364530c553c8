"""Patient → birth date, sex, whether they died."""

from __future__ import annotations

from cds.record import fhir as elements
from cds.record.dates import span_of
from cds.record.issues import Origin
from cds.record.model import IssueKind, Patient

GENDERS = frozenset({"male", "female", "other", "unknown"})  # FHIR R4 administrative-gender


def patient_of(said: elements.Patient, origin: Origin) -> Patient:
    """Whose record this is; what is not a FHIR gender or date is not recorded, and noted."""
    sex = said.gender.strip().lower() if said.gender else None
    if sex is not None and sex not in GENDERS:
        origin.note(IssueKind.IMPLAUSIBLE, "gender", "The gender is not a FHIR administrative gender.")
        sex = None
    return Patient(
        reference=origin.source,
        birth=span_of(said.birthDate, origin, "birthDate"),
        sex=sex,
        died=bool(said.deceasedBoolean) or said.deceasedDateTime is not None,
    )
