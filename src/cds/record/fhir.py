"""
The FHIR elements we read, one Struct per resource type; everything else in a resource is skipped unparsed.

R4 and R4B names (https://hl7.org/fhir/R4/resourcelist.html), and the R5 names of the same elements where they moved
(https://hl7.org/fhir/R5/resourcelist.html). Every element may be absent or null: real feeds leave out what the
specification requires, and a reader that insists would lose the resource.
"""

# ruff: noqa: N815, D101
# N815: these are FHIR's own names, and msgspec reads them as written. D101: a class here is the FHIR type of its name.

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Raw, Struct, defstruct, field

LONGEST_NAME = 4_096  # characters
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
"""A name that is searched for words: a resource with a longer one cannot be read, which is said of it."""

UCUM = "unitsofmeasure.org"


class Element(Struct, frozen=True, gc=False):
    """Base of all data types."""


class Coding(Element, frozen=True):
    system: str | None = None
    code: str | None = None
    display: Name | None = None


class CodeableConcept(Element, frozen=True):
    coding: list[Coding | None] | None = None
    text: Name | None = None


class Identifier(Element, frozen=True):
    system: str | None = None
    value: str | None = None


class Reference(Element, frozen=True):
    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: Name | None = None


class CodeableReference(Element, frozen=True):
    """R5's "concept or reference"; `coding` and `text` catch an R4 CodeableConcept in the same place."""

    concept: CodeableConcept | None = None
    reference: Reference | None = None
    coding: list[Coding | None] | None = None
    text: Name | None = None


class Quantity(Element, frozen=True):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    code: str | None = None
    system: Any = None

    @property
    def written(self) -> str:
        """The unit: its code, or the words beside a code of another system than UCUM; "" if none."""
        foreign = isinstance(self.system, str) and UCUM not in self.system and bool(self.unit)
        return ((self.unit if foreign else self.code or self.unit) or "").strip()


class Range(Element, frozen=True):
    low: Quantity | None = None
    high: Quantity | None = None


class Period(Element, frozen=True):
    start: str | None = None
    end: str | None = None


class Repeat(Element, frozen=True):
    """Timing.repeat (R4 §2.24.0.11)."""

    boundsPeriod: Period | None = None
    boundsDuration: Quantity | None = None
    boundsRange: Range | None = None
    frequency: float | None = None
    frequencyMax: float | None = None
    period: float | None = None
    periodMax: float | None = None
    periodUnit: str | None = None
    dayOfWeek: list[str | None] | None = None
    timeOfDay: list[str | None] | None = None
    when: list[str | None] | None = None


class Timing(Element, frozen=True):
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Element, frozen=True):
    type: CodeableConcept | None = None
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None


class Dosage(Element, frozen=True):
    """R4 Dosage; `doseQuantity` and `doseRange` outside doseAndRate are STU3's, `asNeeded` and `asNeededFor` R5's."""

    sequence: int | None = None
    text: str | None = None
    patientInstruction: str | None = None
    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: CodeableConcept | None = None
    asNeeded: bool | None = None
    asNeededFor: list[CodeableConcept | None] | None = None
    doseAndRate: list[DoseAndRate | None] | None = None
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None


class Meta(Element, frozen=True):
    versionId: str | None = None
    lastUpdated: str | None = None


class Resource(Struct, frozen=True, gc=False, tag_field="resourceType", tag=True):
    """What every resource can carry; the last two change the meaning of all the rest."""

    id: str | None = None
    implicitRules: str | None = None
    modifierExtension: list[Any] | None = None


class PatientLink(Element, frozen=True):
    other: Reference | None = None
    type: str | None = None


class Patient(Resource, frozen=True):
    active: bool | None = None
    link: list[PatientLink | None] | None = None
    extension: Any = None  # read for the sex recorded at birth; never a reason not to read the rest
    identifier: list[Identifier | None] | None = None
    birthDate: str | None = None
    gender: str | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: str | None = None


class Condition(Resource, frozen=True):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    category: list[CodeableConcept | None] | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Period | None = None
    abatementBoolean: bool | None = None
    abatementString: str | None = None
    abatementAge: Any = None
    abatementRange: Any = None
    recordedDate: str | None = None
    recorder: Reference | None = None
    asserter: Reference | None = None
    patient: Any = None  # DSTU2


class ReferenceRange(Element, frozen=True):
    """Observation.referenceRange."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None


class ObservationComponent(Element, frozen=True):
    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueInteger: float | None = None
    valueDecimal: float | None = None
    valueBoolean: bool | None = None
    valueString: str | None = None
    valueCodeableConcept: CodeableConcept | None = None
    dataAbsentReason: CodeableConcept | None = None
    referenceRange: list[ReferenceRange | None] | None = None


class Observation(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    focus: list[Reference | None] | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    effectiveInstant: str | None = None
    issued: str | None = None
    valueQuantity: Quantity | None = None
    valueInteger: float | None = None
    valueDecimal: float | None = None
    valueBoolean: bool | None = None
    valueString: str | None = None
    valueCodeableConcept: CodeableConcept | None = None
    dataAbsentReason: CodeableConcept | None = None
    referenceRange: list[ReferenceRange | None] | None = None
    component: list[ObservationComponent | None] | None = None


class Answer(Element, frozen=True):
    """QuestionnaireResponse.item.answer."""

    valueInteger: float | None = None
    valueDecimal: float | None = None
    valueQuantity: Quantity | None = None
    valueCoding: Coding | None = None
    valueBoolean: bool | None = None
    valueString: str | None = None
    valueDate: str | None = None
    item: list[Item | None] | None = None


class Item(Element, frozen=True):
    """QuestionnaireResponse.item; nests without limit."""

    linkId: str | None = None
    definition: str | None = None
    text: str | None = None
    answer: list[Answer | None] | None = None
    item: list[Item | None] | None = None


class QuestionnaireResponse(Resource, frozen=True):
    status: str | None = None
    questionnaire: str | None = None
    subject: Reference | None = None
    authored: str | None = None
    author: Reference | None = None
    item: list[Item | None] | None = None
    group: Any = None  # DSTU2


class DispenseRequest(Element, frozen=True):
    validityPeriod: Period | None = None
    numberOfRepeatsAllowed: float | None = None
    quantity: Quantity | None = None
    expectedSupplyDuration: Quantity | None = None


class MedicationUse(Resource, frozen=True):
    """What the four Medication resources that say "this patient, this drug" share."""

    status: str | None = None
    subject: Reference | None = None
    contained: list[Raw] | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    medication: CodeableReference | None = None  # R5
    reasonCode: list[CodeableConcept | None] | CodeableConcept | None = None
    reasonReference: list[Reference | None] | Reference | None = None
    reason: list[CodeableReference | None] | None = None  # R5
    identifier: Any = None  # read for what it may tell apart; never a reason not to read the rest
    statusReason: list[CodeableConcept | None] | CodeableConcept | None = None
    patient: Any = None  # DSTU2


class MedicationRequest(MedicationUse, frozen=True):
    intent: str | None = None
    doNotPerform: bool | None = None
    authoredOn: str | None = None
    dosageInstruction: list[Dosage | None] | None = None
    dispenseRequest: DispenseRequest | None = None


class MedicationDispense(MedicationUse, frozen=True):
    statusReasonCodeableConcept: CodeableConcept | None = None
    quantity: Quantity | None = None
    daysSupply: Quantity | None = None
    whenPrepared: str | None = None
    whenHandedOver: str | None = None
    dosageInstruction: list[Dosage | None] | None = None
    notDone: Any = None  # STU3


class Adherence(Element, frozen=True):
    """R5 MedicationStatement.adherence."""

    code: CodeableConcept | None = None


class MedicationStatement(MedicationUse, frozen=True):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dateAsserted: str | None = None
    dosage: list[Dosage | None] | None = None
    adherence: Adherence | None = None  # R5
    taken: Any = None  # STU3
    wasNotTaken: Any = None  # DSTU2


class AdministeredDosage(Element, frozen=True):
    text: str | None = None
    dose: Quantity | None = None


class MedicationAdministration(MedicationUse, frozen=True):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    occurenceDateTime: str | None = None  # R5, misspelt there
    occurencePeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    dosage: AdministeredDosage | None = None
    context: Reference | None = None
    encounter: Reference | None = None  # R5
    notGiven: Any = None  # STU3
    wasNotGiven: Any = None  # DSTU2


class Encounter(Resource, frozen=True):
    status: str | None = None
    subject: Reference | None = None
    class_: Any = field(name="class", default=None)  # a Coding in R4, a list of concepts in R5, a code in DSTU2
    type: list[CodeableConcept | None] | None = None
    period: Period | None = None
    actualPeriod: Period | None = None  # R5
    partOf: Reference | None = None


class ExplanationOfBenefit(Resource, frozen=True):
    """A claim; its lines stay undecoded, since only those of pharmacies are read, and others are long."""

    status: str | None = None
    use: str | None = None
    type: CodeableConcept | None = None
    patient: Reference | None = None
    created: str | None = None
    billablePeriod: Period | None = None
    item: Raw = Raw()
    supportingInfo: Raw = Raw()


class ClaimItem(Element, frozen=True):
    """ExplanationOfBenefit.item."""

    sequence: int | None = None
    productOrService: CodeableConcept | None = None
    servicedDate: str | None = None
    servicedPeriod: Period | None = None
    quantity: Quantity | None = None


class SupportingInfo(Element, frozen=True):
    """ExplanationOfBenefit.supportingInfo."""

    category: CodeableConcept | None = None
    valueQuantity: Quantity | None = None


class Ingredient(Element, frozen=True):
    itemCodeableConcept: CodeableConcept | None = None
    item: CodeableReference | None = None  # R5


class Medication(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    ingredient: list[Ingredient | None] | None = None


class Procedure(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None  # R5
    occurrencePeriod: Period | None = None
    encounter: Reference | None = None
    notDone: Any = None  # STU3
    notPerformed: Any = None  # DSTU2


class Reaction(Element, frozen=True):
    substance: CodeableConcept | None = None
    manifestation: list[CodeableReference | None] | None = None  # concepts in R4


class AllergyIntolerance(Resource, frozen=True):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    type: str | CodeableConcept | None = None  # a code in R4, a concept in R5
    code: CodeableConcept | None = None
    patient: Reference | None = None
    reaction: list[Reaction | None] | None = None
    substance: Any = None  # DSTU2


class ServiceRequest(Resource, frozen=True):
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    code: CodeableReference | None = None
    subject: Reference | None = None
    authoredOn: str | None = None


OLDER_ELEMENTS: dict[str, tuple[str, ...]] = {
    # Elements that R4 removed and whose absence would turn the meaning round ("was not taken"), or that show the
    # resource to be DSTU2. R4 §2.6 and the "R3 diff" tab of each resource's page.
    "Condition": ("patient",),
    "QuestionnaireResponse": ("group",),
    "MedicationRequest": ("patient",),
    "MedicationDispense": ("patient", "notDone"),
    "MedicationStatement": ("patient", "taken", "wasNotTaken"),
    "MedicationAdministration": ("patient", "notGiven", "wasNotGiven"),
    "Procedure": ("notDone", "notPerformed"),
    "AllergyIntolerance": ("substance",),
}

READ_TYPES: dict[str, type[Resource]] = {
    cls.__name__: cls
    for cls in (
        Patient,
        Condition,
        Observation,
        QuestionnaireResponse,
        MedicationRequest,
        MedicationDispense,
        MedicationStatement,
        MedicationAdministration,
        Medication,
        Procedure,
        AllergyIntolerance,
        ServiceRequest,
        Encounter,
        ExplanationOfBenefit,
    )
}


class PassedOver(Struct, frozen=True, gc=False, tag_field="resourceType"):
    """A resource of a type no rule reads: most of a chart is such. Nothing of it is decoded but its type."""


PASSED_OVER = tuple(
    defstruct(name, [], bases=(PassedOver,), frozen=True, gc=False, tag=name)
    for name in (
        "Claim", "DiagnosticReport", "DocumentReference", "Immunization", "CarePlan",
        "CareTeam", "Practitioner", "PractitionerRole", "Organization", "Location", "Provenance", "SupplyDelivery",
        "Device", "Goal", "ImagingStudy", "Coverage", "Specimen",
    )
)  # fmt: skip


NESTED_BUNDLE = defstruct(
    "Bundle", [("id", str | None, None)], bases=(PassedOver,), frozen=True, gc=False, tag="Bundle"
)  # fmt: skip
"""A Bundle in place of a resource: nothing of it is decoded, until it is read as a Bundle."""


class Head(Struct, frozen=True, gc=False):
    """Enough of any resource to say what it is."""

    resourceType: str | None = None
    id: str | None = None


class Version(Struct, frozen=True, gc=False):
    """Enough of a resource to say which of two copies is newer."""

    meta: Meta | None = None


class LabeledMeta(Element, frozen=True):
    """The labels as they were sent: one that is malformed must not hide another."""

    security: Any = None


class Labeled(Struct, frozen=True, gc=False):
    """Enough of a resource to say which security labels it has."""

    meta: LabeledMeta | None = None


class ResourceSubject(Struct, frozen=True, gc=False):
    """Enough of a resource to say whom it is about."""

    subject: Reference | None = None
    patient: Reference | None = None


class OutcomeIssue(Element, frozen=True):
    severity: str | None = None


class OperationOutcome(Struct, frozen=True, gc=False):
    issue: list[OutcomeIssue | None] | None = None


class Link(Element, frozen=True):
    relation: str | None = None
    url: str | None = None


class Search(Element, frozen=True):
    mode: str | None = None


class Response(Element, frozen=True):
    status: str | int | None = None


class Request(Element, frozen=True):
    method: str | None = None
    url: str | None = None


class Entry(Element, frozen=True):
    """Bundle.entry; `resourceType` is there when a sender put the resource in place of the entry."""

    resource: Raw = Raw()
    fullUrl: str | None = None
    search: Search | None = None
    response: Response | None = None
    request: Request | None = None
    resourceType: Any = None


class Bundle(Struct, frozen=True, gc=False):
    resourceType: str | None = None
    type: str | None = None
    total: float | None = None
    link: list[Link | None] | None = None
    entry: list[Entry | None] | None = None


class LooseBundle(Struct, frozen=True, gc=False):
    """A Bundle of which some part is not as it should be: each part can then be tried on its own."""

    type: Raw = Raw()
    total: Raw = Raw()
    link: Raw = Raw()
    entry: Raw = Raw()


class Envelope(Struct, frozen=True, gc=False):
    """The outermost object of a body or a prefetch value, to tell what it is."""

    resourceType: Any = None
    resource: Raw = Raw()
    response: Any = None
    hook: Any = None
    hookInstance: Any = None
    prefetch: Raw = Raw()
