"""Whom the data are about: one patient, or the whole request is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cds.record import elements
from cds.record.gathering import Gathered
from cds.record.issues import Origin
from cds.record.patient import patient_of
from cds.record.record import IssueKind, Patient
from cds.refusal import NoPatient, WrongPatient

LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/]+)?$")


def whose(gathered: Gathered, patient_id: str | None) -> tuple[Patient, frozenset[str]]:
    """
    The patient, and every way to refer to them in this request.

    Raises:
        WrongPatient: Two patients, or not the one in context.
        NoPatient: Nothing says whom the data are about.
    """
    patient_id = patient_id.removeprefix("Patient/") if patient_id else None
    patients = list(gathered.of(elements.Patient))
    if len(patients) > 1:
        raise WrongPatient(
            f"There are {len(patients)} Patient resources",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=patients[1][1].where,
        )
    if patients:
        said, origin = patients[0]
        if patient_id is not None and said.id is not None and said.id != patient_id:
            raise WrongPatient(
                "The Patient resource is not the patient in context",
                fix="Send the Patient whose id is context.patientId; nothing was evaluated",
                where=origin.where,
            )
        full_url = gathered.kept["Patient"][origin.source.removeprefix("Patient/")].full_url
        own = {origin.source, full_url, *named(said.id), *named(patient_id)} - {""}
        found = patient_of(said, origin)
        if said.id is None and patient_id is not None:
            found = replace(found, reference=f"Patient/{patient_id}")
            origin.note(IssueKind.IMPRECISE, "id", "It has no id; it is taken to be the patient in context.")
        return found, frozenset(own)
    if patient_id is None:
        subjects = {
            reference
            for of_kind in gathered.kept.values()
            for kept in of_kind.values()
            for reference in (
                literal(getattr(kept.resource, "subject", None)),
                literal(getattr(kept.resource, "patient", None)),
            )
            if reference.startswith("Patient/")
        }
        if len(subjects) > 1:
            raise WrongPatient(
                f"There is no Patient resource, and the data name {len(subjects)} patients",
                fix="Send the data of one patient, with the Patient resource; nothing was evaluated",
            )
        if not subjects:
            raise NoPatient(
                "There is no Patient resource, and no resource names a patient",
                fix="Send the Patient resource with the patient's data",
            )
        patient_id = subjects.pop().removeprefix("Patient/")
    gathered.issues.note(
        IssueKind.NOT_SENT, "Patient", "", "There is no Patient resource: birth date and gender are not known."
    )
    return Patient(f"Patient/{patient_id}"), named(patient_id)


def named(identity: str | None) -> frozenset[str]:
    """The ways to refer to a Patient by id; urn:uuid too, as senders of Bundles without fullUrl do."""
    return frozenset({f"Patient/{identity}", f"urn:uuid:{identity}"} if identity else ())


def literal(reference: Any) -> str:
    """A reference as Type/id: base URL and version taken off; as written when it is of another form; "" if none."""
    text = reference.reference if isinstance(reference, elements.Reference) else None
    return _type_and_id(text) if text else ""


@lru_cache(maxsize=256)
def _type_and_id(text: str) -> str:
    found = LITERAL.search(text)
    return f"{found[1]}/{found[2]}" if found else text


def is_about(subject: elements.Reference | None, own: frozenset[str], gathered: Gathered, origin: Origin) -> bool:
    """Whether a resource is about this patient; one about another patient refuses the whole request."""
    reference = literal(subject)
    if not reference or "?" in reference or reference.startswith("#"):
        origin.note(
            IssueKind.IMPRECISE,
            "subject",
            "It does not say by reference whom it is about; it is taken as this patient's.",
        )
        return True
    if reference in own or (subject is not None and subject.reference in own):
        return True
    resolved = gathered.by_url.get(reference, reference)
    if resolved in own:
        return True
    if resolved.startswith("Patient/") or resolved.startswith("urn:"):
        raise WrongPatient(
            f"This {origin.kind} is about another patient",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=f"{origin.where}.subject",
        )
    origin.note(IssueKind.IGNORED, "subject", "It is not about a patient.")
    return False
