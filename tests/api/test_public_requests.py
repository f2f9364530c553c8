"""Requests that name their prefetch keys otherwise, as those of public repositories do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import ROOT, serving

JSON = dict[str, Any]
PUBLIC = ROOT.parent / "shared" / "data" / "cds-hooks"
SERVICES = {
    "patient-view": "ketamine-evaluation",
    "order-sign": "ketamine-evaluation-order-sign",
    "order-select": "ketamine-evaluation-order-select",
}
PATIENT: JSON = {"resourceType": "Patient", "id": "x1", "gender": "female", "birthDate": "1980-01-01"}
SUICIDAL: JSON = {
    "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/x1"}, "recordedDate": "2026-05-30",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "R45.851"}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving() as client:
        yield client


def request(prefetch: JSON, patient_id: str = "Patient/x1", **more: Any) -> JSON:
    hook: JSON = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}
    return hook | {"context": {"userId": "Practitioner/1", "patientId": patient_id}, "prefetch": prefetch} | more


def searchset(*resources: JSON, url: str = "") -> JSON:
    link = {"link": [{"relation": "self", "url": url}]} if url else {}
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]} | link


@pytest.mark.parametrize(
    "prefetch",
    [
        {"item1": PATIENT, "item2": searchset(SUICIDAL)},
        {"Patient": PATIENT, "Condition": searchset(SUICIDAL), "Observation": None},
        {"item1": {"response": {"status": "200"}, "resource": PATIENT}, "item2": {"resource": searchset(SUICIDAL)}},
        {"problems": SUICIDAL},
    ],
)
def test_what_stands_under_keys_of_another_name_is_read(client: httpx.Client, prefetch: JSON) -> None:
    answer = client.post(f"/cds-services/{SERVICES['patient-view']}", json=request(prefetch))

    assert answer.status_code == 200
    assert any("self-harm" in card["summary"] for card in answer.json()["cards"])


@pytest.mark.parametrize(
    "prefetch",
    [{}, {"item1": PATIENT}, {"item1": None}, {"patient": PATIENT}, {"patient": PATIENT, "item2": searchset(SUICIDAL)}],
)
def test_where_nothing_can_be_said_or_a_key_of_ours_is_left_out_it_is_412(client: httpx.Client, prefetch: JSON) -> None:
    answer = client.post(f"/cds-services/{SERVICES['patient-view']}", json=request(prefetch))

    assert answer.status_code == 412


def test_an_order_can_be_judged_whatever_the_keys_are_called(client: httpx.Client) -> None:
    order = {"resourceType": "MedicationRequest", "id": "m1", "status": "draft", "intent": "order",
             "subject": {"reference": "Patient/x1"}, "medicationCodeableConcept": {"text": "Esketamine"}}  # fmt: skip
    aneurysm = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/x1"},
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I67.1"}]}}  # fmt: skip
    context = {"userId": "Practitioner/1", "patientId": "Patient/x1", "draftOrders": searchset(order)}
    sent = request({"item1": PATIENT, "item2": searchset(aneurysm)}, hook="order-sign", context=context)

    answer = client.post(f"/cds-services/{SERVICES['order-sign']}", json=sent)

    assert answer.status_code == 200
    assert any("ontraindicat" in card["summary"] for card in answer.json()["cards"])


def public_requests() -> list[Path]:
    found = []
    for file in sorted(PUBLIC.rglob("*.json")) if PUBLIC.is_dir() else ():
        said = json.loads(file.read_text())
        if isinstance(said, dict) and said.get("hook") in SERVICES and said.get("hookInstance"):
            found.append(file)
    return found


@pytest.mark.seconds
@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public requests are not here")
def test_public_requests_are_answered(client: httpx.Client) -> None:
    """All but those of which nothing can be said, of another patient, or without the context their hook requires."""
    status = {}
    for file in public_requests():
        said = json.loads(file.read_text())
        status[file.name] = client.post(f"/cds-services/{SERVICES[said['hook']]}", json=said).status_code

    assert set(status.values()) <= {200, 400, 412}
    assert list(status.values()).count(200) >= 25, {name: code for name, code in status.items() if code != 200}
