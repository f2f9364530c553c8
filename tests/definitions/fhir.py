"""OMOP tables → FHIR: one CDS Hooks request for each person, every kind of data asked for and sent whole."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import duckdb

from tests.definitions.vocabulary import DIAGNOSES, DRUGS

TERM_OF = {term.omop: term for term in (*DRUGS.values(), *DIAGNOSES.values())}


def requests_of(database: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, bytes]]:
    """Person → the body of a request, as an EHR would send it."""
    orders: dict[int, list[dict[str, Any]]] = defaultdict(list)
    conditions: dict[int, list[dict[str, Any]]] = defaultdict(list)
    exposures = database.execute(
        "SELECT drug_exposure_id, person_id, drug_concept_id, drug_exposure_start_date, days_supply, dose_value "
        "FROM cdm.drug_exposure ORDER BY drug_exposure_id"
    )
    for number, person, concept, day, supply, mg in exposures.fetchall():
        orders[person].append(_order(number, person, _concept(concept), day.isoformat(), supply, mg))
    found = database.execute(
        "SELECT condition_occurrence_id, person_id, condition_concept_id, condition_start_date "
        "FROM cdm.condition_occurrence ORDER BY condition_occurrence_id"
    )
    for number, person, concept, day in found.fetchall():
        conditions[person].append(_condition(number, person, _concept(concept), day.isoformat()))
    people = database.execute("SELECT person_id, birth_datetime::DATE FROM cdm.person ORDER BY person_id").fetchall()
    for person, born in people:
        patient = {"resourceType": "Patient", "id": f"p{person}", "birthDate": born.isoformat()}
        body = {
            "hook": "patient-view",
            "hookInstance": "00000000-0000-4000-8000-000000000000",
            "context": {"userId": "Practitioner/1", "patientId": f"p{person}"},
            "prefetch": {
                "patient": patient,
                "medicationRequests": _answer("MedicationRequest", person, orders[person]),
                "medicationDispenses": _answer("MedicationDispense", person, []),
                "medicationStatements": _answer("MedicationStatement", person, []),
                "medicationAdministrations": _answer("MedicationAdministration", person, []),
                "conditions": _answer("Condition", person, conditions[person]),
                "procedures": _answer("Procedure", person, []),
            },
        }
        yield person, json.dumps(body).encode()


def _concept(omop: int) -> dict[str, Any]:
    term = TERM_OF[omop]
    return {"coding": [{"system": term.system, "code": term.code, "display": term.name}], "text": term.name}


def _answer(kind: str, person: int, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """What a server answers to a search for all of one kind."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "link": [{"relation": "self", "url": f"{kind}?patient=p{person}"}],
        "entry": [{"resource": resource} for resource in resources],
    }


def _order(number: int, person: int, drug: dict[str, Any], day: str, supply: int, mg: float) -> dict[str, Any]:
    dose = {"doseQuantity": {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
    return {
        "resourceType": "MedicationRequest",
        "id": f"m{number}",
        "status": "completed",
        "intent": "order",
        "subject": {"reference": f"Patient/p{person}"},
        "authoredOn": day,
        "medicationCodeableConcept": drug,
        "dosageInstruction": [
            {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}, "doseAndRate": [dose]}
        ],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 0,
            "expectedSupplyDuration": {
                "value": supply, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d",
            },
        },
    }  # fmt: skip


def _condition(number: int, person: int, concept: dict[str, Any], day: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/condition-"
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/p{person}"},
        "clinicalStatus": {"coding": [{"system": f"{system}clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{system}ver-status", "code": "confirmed"}]},
        "code": concept,
        "onsetDateTime": day,
        "recordedDate": day,
    }
