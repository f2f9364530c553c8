"""A hook without its REQUIRED context (CDS Hooks library 1.0.1), or with an address no server has, is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.wire import issue
from tests.server import ROOT

EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
ORDER = {"resourceType": "MedicationRequest", "id": "order-1", "status": "draft"}
WHOLE: dict[str, Any] = EXAMPLE["context"] | {
    "encounterId": "e1",
    "selections": ["MedicationRequest/order-1"],
    "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": ORDER}]},
}
REQUIRED = {
    "patient-view": ["userId", "patientId"],
    "encounter-start": ["userId", "patientId", "encounterId"],
    "order-select": ["userId", "patientId", "selections", "draftOrders"],
    "order-sign": ["userId", "patientId", "draftOrders"],
}


def post(client: httpx.Client, hook: str, context: dict[str, Any], **changes: Any) -> httpx.Response:
    service = "ketamine-evaluation" + ("" if hook == "patient-view" else f"-{hook}")
    return client.post(f"/cds-services/{service}", json=EXAMPLE | {"hook": hook, "context": context} | changes)


@pytest.mark.parametrize("value", ["absent", None])
@pytest.mark.parametrize(("hook", "name"), [(hook, name) for hook, names in REQUIRED.items() for name in names])
def test_a_hook_without_its_required_context_is_refused_with_its_name(
    hook: str, name: str, value: Any, client: httpx.Client
) -> None:
    context = {key: said for key, said in WHOLE.items() if key != name} | ({} if value == "absent" else {name: None})

    answer = post(client, hook, context)

    assert answer.status_code == 400
    said = issue(answer.json())
    assert said["expression"] == [f"context.{name}"]
    assert f"context.{name} is missing" in said["details"]["text"]


@pytest.mark.parametrize("hook", REQUIRED)
def test_a_hook_with_no_more_than_its_required_context_is_answered(hook: str, client: httpx.Client) -> None:
    context = {name: said for name, said in WHOLE.items() if name in REQUIRED[hook]}

    assert post(client, hook, context).status_code == 200


@pytest.mark.parametrize("sign", ["%00", "%0d%0a", "%7f", "%2500", "%c2%85", "\x00", "\x7f", "\r\n", "\u2028"])
@pytest.mark.parametrize("address", ["https://ehr.example/{}", "https://ehr{}.example/r4", "{}"])
def test_a_fhir_server_with_control_characters_is_refused(sign: str, address: str, client: httpx.Client) -> None:
    answer = post(client, "patient-view", WHOLE, fhirServer=address.format(sign))

    assert answer.status_code == 400
    assert issue(answer.json())["expression"] == ["fhirServer"]


@pytest.mark.parametrize("address", ["https://ehr.example/r4%20x", "https://ehr.example:99999/", "https://%zz/", "x"])
def test_a_fhir_server_that_is_otherwise_strange_is_not_read_from(address: str, client: httpx.Client) -> None:
    assert post(client, "patient-view", WHOLE, fhirServer=address).status_code == 200
