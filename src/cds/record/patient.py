"""Patient → birth date, gender, sex at birth, whether they died; and which records it replaces."""

from __future__ import annotations

from collections.abc import Iterator

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.dates import span_of
from cds.record.issues import Origin
from cds.record.model import IssueKind, Patient

GENDERS = frozenset({"male", "female", "other", "unknown"})  # FHIR R4 administrative-gender

BIRTH_SEX = "us-core-birthsex"  # the end of the extension's address; its valueCode is F, M, ASKU, OTH or UNK
SEX_AT_BIRTH = {"F": "female", "M": "male"}
REPLACES, REPLACED_BY = "replaces", "replaced-by"  # FHIR R4 link-type


def replaced_by_this(said: fhir.Patient) -> Iterator[fhir.Reference]:
    """The Patients that were merged into this one: what is said of them is said of this patient."""
    for link in said.link or ():
        if link is not None and link.type == REPLACES and link.other is not None and link.other.reference:
            yield link.other


def _birth_sex(extensions: object) -> str | None:
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and str(extension.get("url")).rstrip("/").endswith(f"/{BIRTH_SEX}"):
            return SEX_AT_BIRTH.get(str(extension.get("valueCode")))
    return None


def _merged_away(said: fhir.Patient, origin: Origin) -> None:
    if any(link is not None and link.type == REPLACED_BY for link in said.link or ()):
        what = say("This record was merged into another one, which may hold more than it.")
        origin.note(IssueKind.IMPRECISE, "link", what)
    elif said.active is False:
        origin.note(IssueKind.IMPRECISE, "active", say("This patient's record is marked as no longer in use."))


def patient_of(said: fhir.Patient, origin: Origin) -> Patient:
    """Whose record this is; what is not a FHIR gender or date is not recorded, and noted."""
    sex = said.gender.strip().lower() if said.gender else None
    if sex is not None and sex not in GENDERS:
        origin.note(IssueKind.IMPLAUSIBLE, "gender", say("The gender is not a FHIR administrative gender."))
        sex = None
    _merged_away(said, origin)
    return Patient(
        reference=origin.source,
        birth=span_of(said.birthDate, origin, "birthDate"),
        sex=sex,
        birth_sex=_birth_sex(said.extension),
        died=bool(said.deceasedBoolean) or said.deceasedDateTime is not None,
    )
