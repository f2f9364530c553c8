"""What /openapi.json says of requests, answers and errors is what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.server import ROOT

CALL = "/cds-services/{identity}"
SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> JSON:
    found: JSON = client.get("/openapi.json").json()["paths"]
    return found


def request_schema(operation: JSON) -> JSON:
    schema: JSON = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def answer_schema(operation: JSON, status: str, media_type: str) -> JSON:
    schema: JSON = operation["responses"][status]["content"][media_type]["schema"]
    Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_and_its_answer_are_as_described(client: httpx.Client, described: JSON, path: Path) -> None:
    operation = described[CALL]["post"]
    request = json.loads(path.read_text())

    Draft202012Validator(request_schema(operation)).validate(request)
    (service,) = (s for s in client.get("/cds-services").json()["services"] if s["hook"] == request["hook"])
    answer = client.post(f"/cds-services/{service['id']}", json=request)
    Draft202012Validator(answer_schema(operation, "200", "application/json")).validate(answer.json())


@pytest.mark.parametrize(("address", "path"), [(SERVICE, CALL), ("/evaluate", "/evaluate")])
@pytest.mark.parametrize("body", [b"{", b"{}", b"[]"])
def test_an_error_is_as_described(client: httpx.Client, described: JSON, address: str, path: str, body: bytes) -> None:
    answer = client.post(address, content=body)

    media_type = answer.headers["content-type"]
    Draft202012Validator(answer_schema(described[path]["post"], "default", media_type)).validate(answer.json())


def test_a_bundle_is_as_described(described: JSON) -> None:
    bundle = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())

    Draft202012Validator(request_schema(described["/evaluate"]["post"])).validate(bundle)


def test_no_status_is_described_that_is_never_answered(described: JSON) -> None:
    assert "422" not in json.dumps(
        [list(operation["responses"]) for path in described.values() for operation in path.values()]
    )
