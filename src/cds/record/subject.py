"""Whom the data are about: one patient, or the whole request is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cds.errors import NoPatientError, WrongPatientError
from cds.locale.sentence import say
from cds.record import fhir
from cds.record.collect import ResourceCollection
from cds.record.issues import Origin
from cds.record.model import IssueKind, Patient
from cds.record.patient import patient_of, replaced_by_this

LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/]+)?/?$")
PLAIN = re.compile(r"Patient/[^/?#|]+")
OTHERS = frozenset(
    # What else the subject of a resource can be (FHIR R4: the targets of every `subject` we read), and people who are
    # no patients.
    {
        "Group", "Device", "Location", "Medication", "Substance", "Specimen", "Organization", "Practitioner",
        "PractitionerRole", "RelatedPerson", "Person", "CareTeam", "HealthcareService", "Procedure",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SubjectNames:
    """
    Every way to refer to the patient in this request.

    Attributes:
        references: As a literal reference: Patient/id, urn:uuid, fullUrl.
        identifiers: (system, value) of Patient.identifier.
        plain: Those of the references that can be nothing else, whatever is said beside them.
    """

    references: frozenset[str]
    identifiers: frozenset[tuple[str, str]] = frozenset()
    plain: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", frozenset(filter(PLAIN.fullmatch, self.references)))


def match_subject(gathered: ResourceCollection, patient_id: str | None) -> tuple[Patient, SubjectNames]:
    """
    The patient, and every way to refer to them in this request.

    Raises:
        WrongPatientError: Two patients, or not the one in context.
        NoPatientError: Nothing says whom the data are about.
    """
    patient_id = patient_id.removeprefix("Patient/") if patient_id else None
    patients = _not_replaced([(said, gathered.origin(kept), kept.full_url) for said, kept in gathered.of(fhir.Patient)])
    if len(patients) > 1:
        raise WrongPatientError(
            f"There are {len(patients)} Patient resources",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=patients[1][1].where,
        )
    if patients:
        said, origin, full_url = patients[0]
        merged = {literal(reference) for reference in replaced_by_this(said)}
        if (
            patient_id is not None
            and said.id is not None
            and said.id != patient_id
            and f"Patient/{patient_id}" not in merged
        ):
            raise WrongPatientError(
                "The Patient resource is not the patient in context",
                fix="Send the Patient whose id is context.patientId; nothing was evaluated",
                where=origin.where,
            )
        own = {origin.source, full_url, *named(said.id), *named(patient_id), *merged} - {""}
        if merged:
            what = say("Other records were merged into this one; what is said of them counts as said of this patient.")
            origin.note(IssueKind.IMPRECISE, "link", what)
        found = patient_of(said, origin)
        if said.id is None and patient_id is not None:
            found = replace(found, reference=f"Patient/{patient_id}")
            origin.note(IssueKind.IMPRECISE, "id", say("It has no id; it is taken to be the patient in context."))
        identifiers = {
            ((identifier.system or "").strip(), identifier.value.strip())
            for identifier in said.identifier or ()
            if identifier is not None and identifier.value
        }
        return found, SubjectNames(frozenset(own), frozenset(identifiers))
    if patient_id is None:
        said_of = [
            reference
            for of_kind in gathered.kept.values()
            for kept in of_kind
            for reference in (getattr(kept.resource, "subject", None), getattr(kept.resource, "patient", None))
        ]
        named_by = map(literal, [*said_of, *map(fhir.Reference, gathered.about)])
        subjects = {reference for reference in named_by if reference.startswith("Patient/")}
        if len(subjects) > 1:
            raise WrongPatientError(
                f"There is no Patient resource, and the data name {len(subjects)} patients",
                fix="Send the data of one patient, with the Patient resource; nothing was evaluated",
            )
        if not subjects:
            raise NoPatientError(
                "There is no Patient resource, and no resource names a patient",
                fix="Send the Patient resource with the patient's data",
            )
        patient_id = subjects.pop().removeprefix("Patient/")
    gathered.issues.note(
        IssueKind.NOT_SENT, "Patient", "", say("There is no Patient resource: birth date and gender are not known.")
    )
    return Patient(f"Patient/{patient_id}"), SubjectNames(named(patient_id))


Candidate = tuple[fhir.Patient, Origin, str]


def _not_replaced(patients: list[Candidate]) -> list[Candidate]:
    """The Patients that none of the others says to have replaced (FHIR R4 Patient.link)."""
    gone = {literal(reference) for said, _, _ in patients for reference in replaced_by_this(said)}
    return [one for one in patients if one[1].source not in gone] or patients


def named(identity: str | None) -> frozenset[str]:
    """The ways to refer to a Patient by id; urn:uuid too, as senders of Bundles without fullUrl do."""
    return frozenset({f"Patient/{identity}", f"urn:uuid:{identity}"} if identity else ())


def literal(reference: Any) -> str:
    """A reference as Type/id: base URL and version taken off; as written when it is of another form; "" if none."""
    text = reference.reference if isinstance(reference, fhir.Reference) else None
    found = LITERAL.search(text) if text else None
    return f"{found[1]}/{found[2]}" if found else text or ""


def surely_about(reference: str, own: SubjectNames, gathered: ResourceCollection) -> bool:
    """Whether a reference leads to this patient, so that `is_about` has nothing to remark of whoever has it."""
    if reference in own.references:
        return True
    named = literal(fhir.Reference(reference))
    return named in own.references or gathered.source_at(named) in own.references


def is_about(subject: fhir.Reference | None, own: SubjectNames, gathered: ResourceCollection, origin: Origin) -> bool:
    """
    Whether a resource is about this patient; one about another patient refuses the whole request.

    Where that cannot be told, it is left out, and its kind counts as sent in part: it may have been theirs.
    """
    if subject is not None and subject.reference in own.plain:
        return True
    reference = literal(subject)
    if subject is not None and (not reference or "?" in reference) and (named_by := _identifier(subject)):
        if subject.type in OTHERS:
            origin.note(IssueKind.IGNORED, "subject", say("It is not about a patient."))
            return False
        system, value = named_by
        if any(value == its and system in {its_system, None} for its_system, its in own.identifiers):
            return True
        return _cannot_tell(
            gathered, origin, say("It names whom it is about by an identifier this Patient does not have.")
        )
    if not reference or reference.startswith("#"):
        origin.note(
            IssueKind.IMPRECISE,
            "subject",
            say("It does not say by reference whom it is about; it is taken as this patient's."),
        )
        return True
    if subject is not None and surely_about(subject.reference or "", own, gathered):
        return True
    resolved = gathered.source_at(reference) or reference
    if resolved.startswith("Patient/") or resolved.startswith("urn:"):
        raise WrongPatientError(
            f"This {origin.kind} is about another patient",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=f"{origin.where}.subject",
        )
    if resolved.split("/")[0] in OTHERS:
        origin.note(IssueKind.IGNORED, "subject", say("It is not about a patient."))
        return False
    return _cannot_tell(gathered, origin, say("It cannot be told whom it is about."))


def _cannot_tell(gathered: ResourceCollection, origin: Origin, what: str) -> bool:
    gathered.broken.add(origin.kind)
    origin.note(IssueKind.UNREADABLE, "subject", what)
    return False


def _identifier(subject: fhir.Reference) -> tuple[str | None, str] | None:
    """
    System and value by which a subject without a literal reference names whom it is about; None if it does not.

    A conditional reference (Patient?identifier=system|value, FHIR R4 §3.1.0.11.3) may leave the system open: None.
    """
    if subject.reference:
        try:
            asked = dict(parse_qsl(urlsplit(subject.reference).query)).get("identifier", "")
        except ValueError:
            asked = ""
        system, bar, value = asked.rpartition("|")
        return system.strip() if bar else None, value.strip()
    said = subject.identifier
    return ((said.system or "").strip(), said.value.strip()) if said is not None and said.value else None
