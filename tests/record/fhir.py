"""Tiny literal helpers: FHIR JSON for tests of the record."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from cds.record.bundle import read_bundle, read_prefetch
from cds.record.model import PatientRecord

JSON = dict[str, Any]
LIMITS: JSON = {"most_entries": 1000, "max_depth": 64}


def patient(**changes: Any) -> JSON:
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-01-15"} | changes


def about(resource_type: str, identity: str, **elements: Any) -> JSON:
    whose = "patient" if resource_type == "AllergyIntolerance" else "subject"
    return {"resourceType": resource_type, "id": identity, whose: {"reference": "Patient/p1"}} | elements


def coded(system: str, code: str, display: str = "") -> JSON:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def bundle(*resources: Any, kind: str = "collection", **elements: Any) -> JSON:
    entries = [resource if "resource" in resource else {"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries} | elements


def read(*resources: Any, **elements: Any) -> PatientRecord:
    return read_bundle(json.dumps(bundle(patient(), *resources, **elements)).encode(), **LIMITS)


def prefetch(values: dict[str, Any], templates: dict[str, str], patient_id: str | None = "p1") -> PatientRecord:
    raw = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in values.items()}
    return read_prefetch(raw, templates=templates, patient_id=patient_id, **LIMITS)


def observation(identity: str = "o1", **elements: Any) -> JSON:
    given: JSON = {
        "status": "final",
        "code": coded("http://loinc.org", "1-1"),
        "effectiveDateTime": "2026-05-20",
        "valueQuantity": {"value": 17, "code": "{score}"},
    }
    return about("Observation", identity, **(given | elements))


def order(identity: str = "m1", **elements: Any) -> JSON:
    given: JSON = {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Drug"},
        "authoredOn": "2025-02-01",
    }
    return about("MedicationRequest", identity, **(given | elements))
