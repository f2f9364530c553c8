"""Which drug a medication resource is about: its own code, or the Medication it points to, wherever that stands."""

from __future__ import annotations

from collections.abc import Mapping

from cds.record import fhir as elements
from cds.record.collect import RESOURCE, UNREADABLE, Gathered
from cds.record.concepts import EMPTY, concept_of, concept_of_either
from cds.record.issues import Origin
from cds.record.medications import FindDrug
from cds.record.model import IssueKind
from cds.record.subject import literal
from cds.terminology.value_sets import Concept


def drug_finder(gathered: Gathered) -> FindDrug:
    """A function that gives the drug of a medication resource of this request."""
    medications: dict[str, elements.Medication] = {}
    two_of_a_name: set[str] = set()
    for medication, kept in gathered.of(elements.Medication):
        source = f"Medication/{kept.identity}"
        if source in medications:  # from two servers: nothing says which one is meant
            two_of_a_name.add(source)
        medications[source] = medication
    for source in two_of_a_name:
        del medications[source]

    def find(said: elements.MedicationUse, origin: Origin) -> Concept:
        if said.medicationCodeableConcept is not None:
            return concept_of(said.medicationCodeableConcept)
        reference = said.medicationReference
        if said.medication is not None:
            concept = concept_of_either(
                elements.CodeableReference(said.medication.concept, None, said.medication.coding, said.medication.text)
            )
            if concept.words:
                return concept
            reference = said.medication.reference
        if reference is None or not reference.reference:
            if reference is not None and reference.display:
                return Concept((), reference.display.strip())
            origin.note(IssueKind.NOT_FOUND, "medication", "It names no medication.")
            return EMPTY
        medication = _referred(reference.reference, said, medications, gathered)
        if medication is not None and medication.status == "entered-in-error":
            origin.note(IssueKind.IGNORED, "medicationReference", "The Medication it refers to was entered in error.")
            return EMPTY
        if medication is None:
            origin.note(
                IssueKind.NOT_FOUND,
                "medicationReference",
                "The Medication it refers to was not sent, or two of its id.",
            )
            return Concept((), (reference.display or "").strip())
        return _drug_of(medication, reference)

    return find


def _drug_of(medication: elements.Medication, reference: elements.Reference) -> Concept:
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
    reference: str, said: elements.MedicationUse, medications: Mapping[str, elements.Medication], gathered: Gathered
) -> elements.Medication | None:
    if reference.startswith("#"):
        for raw in said.contained or ():
            try:
                contained = RESOURCE.decode(raw)
            except UNREADABLE:
                continue
            if isinstance(contained, elements.Medication) and contained.id == reference[1:]:
                return contained
        return None
    named = literal(elements.Reference(reference))
    return medications.get(named) or medications.get(gathered.source_at(reference))
