"""order-select and order-sign over HTTP, with the orders real clients send."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api import wire
from tests.server import ROOT

EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
PATIENT = EXAMPLE["context"]["patientId"]
SIGN, SELECT = "ketamine-evaluation-order-sign", "ketamine-evaluation-order-select"
ESCITALOPRAM = {
    "resourceType": "MedicationRequest",
    "id": "order-1",
    "status": "draft",
    "intent": "order",
    "subject": {"reference": f"Patient/{PATIENT}"},
    "medicationCodeableConcept": {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "321988"}],
        "text": "Escitalopram *10* mg <b>tablet</b>",
    },
}


def post(client: httpx.Client, service: str, orders: Any, **context: Any) -> httpx.Response:
    hook = service.removeprefix("ketamine-evaluation-")
    sent = EXAMPLE["context"] | context | ({} if orders == "absent" else {"draftOrders": orders})
    return client.post(f"/cds-services/{service}", json=EXAMPLE | {"hook": hook, "context": sent})


def sandbox(*resources: Any) -> dict[str, Any]:
    """As the public sandbox writes it: no Bundle.type."""
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


@pytest.mark.parametrize("service", [SIGN, SELECT])
def test_a_third_antidepressant_is_named_with_its_order(service: str, client: httpx.Client) -> None:
    orders = sandbox(ESCITALOPRAM)
    answer = post(client, service, orders, selections=["MedicationRequest/order-1"])

    assert answer.status_code == 200
    assert wire.flaws_in_response(answer.json()) == []
    (card,) = answer.json()["cards"]
    assert card["summary"].startswith("This would be the third antidepressant this episode after 2 adequate failures")
    assert "MedicationRequest/" not in card["detail"]  # ids are for the references of the card
    assert "Escitalopram \\*10\\* mg &lt;b&gt;tablet&lt;/b&gt;" in card["detail"]
    assert "MedicationRequest/order-1" in card["extension"]["org.thirdline.card"]["references"]


def test_an_order_that_was_not_selected_brings_no_card(client: httpx.Client) -> None:
    other = ESCITALOPRAM | {"id": "order-2", "medicationCodeableConcept": {"text": "Amoxicillin"}}

    answer = post(client, SELECT, sandbox(ESCITALOPRAM, other), selections=["MedicationRequest/order-2"])

    assert answer.json() == {"cards": []}


@pytest.mark.parametrize("service", [SIGN, SELECT])
@pytest.mark.parametrize(
    "orders",
    [
        sandbox({"resourceType": "MedicationRequest", "id": "request-123", "status": "draft"}),
        sandbox({"resourceType": "ServiceRequest", "id": "r", "code": {"coding": [{}]}, "reasonCode": []}),
        sandbox({"resourceType": "MedicationOrder", "id": "m", "status": "draft", "patient": {"reference": "x"},
                 "dosageInstruction": [{"doseQuantityQuantity": {"value": 1}, "timing": {"repeat": {}}}]}),
        sandbox({"resourceType": "ProcedureRequest", "id": "p"}, None, 5, "x", {}, []),
        sandbox(),
        {"resourceType": "Bundle"},
        {}, [], None, 5, "x", "absent",
        {"resourceType": "Bundle", "entry": None},
        {"resourceType": "Bundle", "entry": [None, 1, {"resource": None}, {"fullUrl": "urn:uuid:1"}]},
        sandbox(ESCITALOPRAM | {"authoredOn": 12345678901234567890123, "note": [{"text": "\x00"}]}),
    ],
)  # fmt: skip
def test_no_order_a_client_may_send_brings_a_failure(service: str, orders: Any, client: httpx.Client) -> None:
    answer = post(client, service, orders, selections=["MedicationRequest/request-123", None])

    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        wire.issue(answer.json())
    else:
        assert wire.flaws_in_response(answer.json()) == []


def test_an_order_without_a_drug_is_said_before_it_is_signed(client: httpx.Client) -> None:
    (card,) = post(client, SIGN, sandbox({"resourceType": "MedicationRequest", "id": "r"})).json()["cards"]

    assert card["extension"]["org.thirdline.card"]["name"] == "order_not_read"


def test_orders_that_cannot_be_read_are_said_before_they_are_signed(client: httpx.Client) -> None:
    (card,) = post(client, SIGN, 5).json()["cards"]

    assert card["extension"]["org.thirdline.card"]["name"] == "order_not_read"


def test_an_order_of_another_patient_is_refused(client: httpx.Client) -> None:
    answer = post(client, SIGN, sandbox(ESCITALOPRAM | {"subject": {"reference": "Patient/somebody-else"}}))

    assert answer.status_code == 400
    assert wire.issue(answer.json())["expression"] == ["context.draftOrders.entry[0].resource.subject"]


def test_a_draft_is_no_taken_medication_wherever_it_stands(client: httpx.Client) -> None:
    chart = EXAMPLE["prefetch"]["medicationRequests"]
    signed = chart | {"entry": [*chart["entry"], {"resource": ESCITALOPRAM}]}
    body = EXAMPLE | {
        "hook": "order-sign",
        "context": EXAMPLE["context"] | {"draftOrders": sandbox(ESCITALOPRAM)},
        "prefetch": EXAMPLE["prefetch"] | {"medicationRequests": signed},
    }

    (card,) = client.post(f"/cds-services/{SIGN}", json=body).json()["cards"]

    assert "third antidepressant" in card["summary"]


def test_a_draft_in_a_bundle_is_an_order(client: httpx.Client) -> None:
    bundle = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
    patient = next(e["resource"]["id"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    order = ESCITALOPRAM | {"subject": {"reference": f"Patient/{patient}"}}
    bundle["entry"].append({"resource": order})

    answer = client.post("/evaluate", params={"today": "2026-06-01"}, json=bundle).json()

    assert answer["facts"]["ordered_antidepressant"]["value"] == "true"
    names = [card["extension"]["org.thirdline.card"]["name"] for card in answer["cards"]]
    assert len(names) == len(set(names))
    assert "next_antidepressant" in names
