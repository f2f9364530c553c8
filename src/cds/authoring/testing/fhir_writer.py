"""Shorthand patient → the FHIR R4 an EHR would send: prefetch, Bundle or a whole CDS Hooks request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from cds.authoring.testing import patient_format as s
from cds.authoring.testing.days import before, fhir_date, full_day
from cds.authoring.testing.resource_writer import BASE, PATIENT_ID, DosePeriod, Json, ResourceWriter, set_elements
from cds.record.model import Override
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import SNOMED
from cds.write_request import RequestContext, bundle_of_type, write_request

TYPES = {
    # prefetch key → FHIR type; observations whole, unfiltered
    "conditions": "Condition",
    "medicationRequests": "MedicationRequest",
    "medicationStatements": "MedicationStatement",
    "medicationDispenses": "MedicationDispense",
    "medicationAdministrations": "MedicationAdministration",
    "allergies": "AllergyIntolerance",
    "procedures": "Procedure",
    "serviceRequests": "ServiceRequest",
    "encounters": "Encounter",
    "observations": "Observation",
}
TEMPLATES = {"patient": "Patient/{{context.patientId}}"} | {
    key: f"{kind}?patient={{{{context.patientId}}}}" for key, kind in TYPES.items()
}
KEYS: dict[s.Kind, tuple[str, ...]] = {
    # a kind of data in a case → prefetch keys
    "conditions": ("conditions",),
    "medications": (
        "medicationRequests", "medicationStatements", "medicationDispenses", "medicationAdministrations"
    ),
    "medication_requests": ("medicationRequests",),
    "medication_statements": ("medicationStatements",),
    "medication_dispenses": ("medicationDispenses",),
    "medication_administrations": ("medicationAdministrations",),
    "allergies": ("allergies",),
    "procedures": ("procedures",),
    "referrals": ("serviceRequests",),
    "encounters": ("encounters",),
    "observations": ("observations",),
    "family_history": ("familyHistory",),
    "overrides": (),
}  # fmt: skip


INSTANCE = "00000000-0000-4000-8000-000000000001"  # hookInstance of every generated request

# ---------------------------------------------------------------- the three envelopes


def prefetch_of(patient: s.ExamplePatient, today: date, codes: TerminologyIndex) -> dict[str, Json]:
    """What the EHR sends for TEMPLATES: a searchset per kind, an OperationOutcome for what failed, the Patient."""
    resources = resources_of(patient, today, codes)
    left_out = {key for kind in patient.not_sent for key in KEYS[kind]}
    failed = {key for kind in patient.failed for key in KEYS[kind]}
    truncated = {key for kind in patient.truncated for key in KEYS[kind]}
    sent: dict[str, Json] = {"patient": patient_resource(patient, today)}
    for key, kind in TYPES.items():
        if key in left_out:
            continue
        if key in failed:
            sent[key] = operation_outcome()
        else:
            own = [resource for resource in resources if resource["resourceType"] == kind]
            sent[key] = searchset(kind, own, truncated=key in truncated)
    responses = [resource for resource in resources if resource["resourceType"] == "QuestionnaireResponse"]
    if responses:
        sent["questionnaireResponses"] = searchset("QuestionnaireResponse", responses)
    relatives = [resource for resource in resources if resource["resourceType"] == "FamilyMemberHistory"]
    if relatives and "familyHistory" not in left_out | failed:
        sent["familyHistory"] = searchset("FamilyMemberHistory", relatives)
    return sent


def bundle_of(patient: s.ExamplePatient, today: date, codes: TerminologyIndex) -> Json:
    """Everything in one collection Bundle; kinds not sent or failed are left out."""
    left_out = {
        TYPES.get(key, "FamilyMemberHistory") for kind in (*patient.not_sent, *patient.failed) for key in KEYS[kind]
    }
    resources = [patient_resource(patient, today), *resources_of(patient, today, codes)]
    entries = (
        {"fullUrl": f"{BASE}/{resource['resourceType']}/{resource['id']}", "resource": resource}
        for resource in resources
        if resource["resourceType"] not in left_out
    )
    return bundle_of_type("collection", entries)


def request_of(patient: s.ExamplePatient, today: date, codes: TerminologyIndex, hook: str = "patient-view") -> Json:
    """A CDS Hooks 2.0.1 request with this prefetch; orders of the patient stand in context.draftOrders."""
    orders = tuple(_orders(patient, today, codes))
    context = RequestContext("Practitioner/example", PATIENT_ID, "example", orders)
    return write_request(hook, INSTANCE, context, prefetch_of(patient, today, codes))


def overrides_of(patient: s.ExamplePatient, today: date) -> tuple[Override, ...] | None:
    """Answers to earlier cards, as the journal gives them; None where none is kept."""
    if patient.overrides is None:
        return None
    days = [(one, full_day(fhir_date(one.on, today))) for one in patient.overrides]
    return tuple(Override(one.topic, one.reason, day) for one, day in days if day is not None)


def searchset(kind: str, resources: Iterable[Json], *, truncated: bool = False) -> Json:
    """A search result; a truncated one says there is a next page and does not bring it."""
    entries = [
        {"fullUrl": f"{BASE}/{kind}/{resource['id']}", "resource": resource, "search": {"mode": "match"}}
        for resource in resources
    ]
    url = f"{BASE}/{kind}?patient={PATIENT_ID}"
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries) + (20 if truncated else 0),
        "link": [{"relation": "self", "url": url}],
    }
    if truncated:
        bundle["link"].append({"relation": "next", "url": f"{url}&page=2"})
    if entries:
        bundle["entry"] = entries
    return bundle


def operation_outcome() -> Json:
    """What a prefetch key holds when the EHR's own query failed."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception", "diagnostics": "The query failed."}],
    }


# ---------------------------------------------------------------- resources


def patient_resource(patient: s.ExamplePatient, today: date) -> Json:
    """Patient; somebody of age 46 has their birthday today."""
    born = before(today, patient.age, "year").isoformat() if patient.age is not None else None
    resource: Json = {"resourceType": "Patient", "id": PATIENT_ID}
    set_elements(resource, birthDate=born or fhir_date(patient.birth_date, today), gender=patient.sex)
    if isinstance(patient.died, str):
        resource["deceasedDateTime"] = fhir_date(patient.died, today)
    elif patient.died:
        resource["deceasedBoolean"] = True
    return resource


def resources_of(patient: s.ExamplePatient, today: date, codes: TerminologyIndex) -> list[Json]:
    """Every resource but the Patient, with ids that depend on the case alone."""
    write = ResourceWriter(today, codes)
    resources = [
        *(write.condition(entry) for entry in patient.conditions),
        *(write.score(entry) for entry in patient.scores),
        *(write.answer(entry) for entry in patient.answers),
        *(write.questionnaire(entry) for entry in patient.questionnaires),
        *(resource for entry in patient.blood_pressure for resource in write.blood_pressure(entry)),
        *(write.observation(entry) for entry in patient.observations),
        *(resource for key, taking in patient.took.items() for resource in write.taking(key, taking)),
        *(write.allergy(entry) for entry in patient.allergies),
        *(resource for entry in patient.procedures for resource in write.procedure(entry)),
        *(write.relative(entry) for entry in patient.family_history),
        *(write.referral(entry) for entry in patient.referrals),
        *(write.place(name) for name in patient.places()),
        *(write.encounter(entry) for entry in patient.encounters),
    ]
    counts: dict[str, int] = {}
    for resource in resources:
        kind = resource["resourceType"]
        counts[kind] = counts.get(kind, 0) + 1
        resource["id"] = f"{resource.pop('stem', '') or kind.lower()}-{counts[kind]}"
    return [{"resourceType": r["resourceType"], "id": r["id"], **r} for r in resources]


def _orders(patient: s.ExamplePatient, today: date, codes: TerminologyIndex) -> Iterator[Json]:
    """The orders of a patient as order-select and order-sign bring them."""
    write = ResourceWriter(today, codes)
    for key, order in patient.orders.items():
        resource: Json = {
            "resourceType": "MedicationRequest",
            "id": f"{key.replace('_', '-')}-draft",
            "status": order.status,
            "intent": "order",
            "subject": write.subject(order),
            "authoredOn": today.isoformat(),
        }
        if order.as_ == "service":
            yield resource | {"resourceType": "ServiceRequest", "code": write.concept(order, SNOMED)}
            continue
        if order.picked:
            resource["medicationCodeableConcept"] = write.drug(key, order)
        sigs = write.dosages([DosePeriod(None, None, order.mg_a_day, order.dose)], order)
        set_elements(resource, dosageInstruction=sigs, reasonCode=write.reasons(order))
        yield resource


def templates_for(prefetch: Mapping[str, Any]) -> dict[str, str]:
    """The query of every key of a generated prefetch."""
    more = {"familyHistory": "FamilyMemberHistory?patient={{context.patientId}}"}
    return TEMPLATES | {key: query for key, query in more.items() if key in prefetch}
