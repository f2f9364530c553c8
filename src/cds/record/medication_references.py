"""Which drug a medication resource is about: its own code, or the Medication it points to, wherever that stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.bundle_parts import UNREADABLE
from cds.record.collect import RESOURCE, ResourceCollection, server_in
from cds.record.concepts import EMPTY, concept_of, concept_of_either
from cds.record.issues import Origin
from cds.record.medications import FindDrug
from cds.record.model import IssueKind
from cds.record.subject import literal
from cds.terminology.concepts import Concept


class Named(NamedTuple):
    """A Medication, and the server its fullUrl names ("" for none)."""

    medication: fhir.Medication
    server: str


def drug_finder(gathered: ResourceCollection) -> FindDrug:
    """A function that gives the drug of a medication resource of this request."""
    medications: dict[str, list[Named]] = {}
    for medication, kept in gathered.of(fhir.Medication):
        medications.setdefault(f"Medication/{kept.identity}", []).append(Named(medication, kept.server))

    def find(said: fhir.MedicationUse, origin: Origin) -> Concept:
        if said.medicationCodeableConcept is not None:
            return concept_of(said.medicationCodeableConcept)
        reference = said.medicationReference
        if said.medication is not None:
            concept = concept_of_either(
                fhir.CodeableReference(said.medication.concept, None, said.medication.coding, said.medication.text)
            )
            if concept.words:
                return concept
            reference = said.medication.reference
        if reference is None or not reference.reference:
            if reference is not None and reference.display:
                return Concept((), reference.display.strip())
            origin.note(IssueKind.NOT_FOUND, "medication", say("It names no medication."))
            return EMPTY
        medication = _referred(reference.reference, said, origin, medications, gathered)
        if medication is not None and medication.status == "entered-in-error":
            origin.note(
                IssueKind.IGNORED, "medicationReference", say("The Medication it refers to was entered in error.")
            )
            return EMPTY
        if medication is None:
            origin.note(
                IssueKind.NOT_FOUND,
                "medicationReference",
                say("The Medication it refers to was not sent, or it cannot be told which one of its id is meant."),
            )
            return Concept((), (reference.display or "").strip())
        return _drug_of(medication, reference)

    return find


def _drug_of(medication: fhir.Medication, reference: fhir.Reference) -> Concept:
    concept = concept_of(medication.code)
    if concept.words:
        return concept
    ingredients = [
        concept_of(item.itemCodeableConcept) if item.itemCodeableConcept else concept_of_either(item.item)
        for item in medication.ingredient or ()
        if item is not None
    ]
    if len(ingredients) == 1 and ingredients[0].words:
        return ingredients[0]
    return Concept((), (reference.display or "").strip())


def _referred(
    reference: str,
    said: fhir.MedicationUse,
    origin: Origin,
    medications: Mapping[str, Sequence[Named]],
    gathered: ResourceCollection,
) -> fhir.Medication | None:
    """
    The Medication a reference leads to; None if it was not sent.

    The same id on another server is another drug (FHIR R4 §2.3.0.1): where the reference or the Medication names a
    server, both must name the same one. A relative reference is of the server its own resource is of.
    """
    if reference.startswith("#"):
        return _contained(reference[1:], said)
    name = literal(fhir.Reference(reference))
    listed = medications.get(name) or medications.get(gathered.source_at(reference), ())
    absolute = server_in(reference)
    server = absolute or origin.server
    of_it = [named.medication for named in listed if named.server == server]
    if not of_it and not absolute:
        # Nothing says that they are of different servers.
        of_it = [named.medication for named in listed if not named.server or not server]
    return of_it[0] if len(of_it) == 1 else None


def _contained(identity: str, said: fhir.MedicationUse) -> fhir.Medication | None:
    for raw in said.contained or ():
        try:
            contained = RESOURCE.decode(raw)
        except UNREADABLE:
            continue
        if isinstance(contained, fhir.Medication) and contained.id == identity:
            return contained
    return None
