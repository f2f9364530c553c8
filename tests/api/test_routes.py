from __future__ import annotations

import gzip
import json
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from cds.decide import Ruleset
from cds.engine.evaluator import DisagreementError
from cds.logic.truth import Truth
from tests.server import ROOT, TODAY, serving
from tests.shipped import shipped_rules

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
BUNDLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
PUBLIC = ROOT.parent / "shared" / "data" / "cds-hooks"


def example(**prefetch: Any) -> dict[str, Any]:
    changed = {key: value for key, value in (EXAMPLE["prefetch"] | prefetch).items() if value != "absent"}
    return EXAMPLE | {"prefetch": changed}


def outcome_of(answer: httpx.Response) -> dict[str, Any]:
    outcome = answer.json()
    OperationOutcome.model_validate(outcome)
    (issue,) = outcome["issue"]
    assert issue["details"]["text"]
    assert issue["diagnostics"]
    return dict(issue)


# ---------------------------------------------------------------- discovery


SERVICES = {
    "ketamine-evaluation": "patient-view",
    "ketamine-evaluation-encounter-start": "encounter-start",
    "ketamine-evaluation-order-select": "order-select",
    "ketamine-evaluation-order-sign": "order-sign",
}


def test_discovery_lists_one_service_for_each_hook(client: httpx.Client) -> None:
    services = client.get("/cds-services").json()["services"]

    assert {service["id"]: service["hook"] for service in services} == SERVICES


@pytest.mark.parametrize("identity", SERVICES)
def test_discovery_lists_a_service_with_templates_every_client_understands(identity: str, client: httpx.Client) -> None:
    (service,) = (s for s in client.get("/cds-services").json()["services"] if s["id"] == identity)

    assert service["title"]
    assert "\a" not in service["description"]
    assert {"patient", "conditions", "medicationRequests", "allergies", "phq9", "bloodPressure"} <= set(
        service["prefetch"]
    )
    for template in service["prefetch"].values():
        tokens = [part.split("}}")[0] for part in template.split("{{")[1:]]
        assert tokens == ["context.patientId"]
        assert "date" not in template.replace("_sort=-date", "")


# ---------------------------------------------------------------- answers


def test_cards_and_suggestions_carry_uuids_for_feedback(client: httpx.Client) -> None:
    (card,) = client.post(SERVICE, json=example()).json()["cards"]

    uuid.UUID(card["uuid"])
    uuid.UUID(card["suggestions"][0]["uuid"])


def test_no_empty_member_stands_anywhere_in_an_answer(client: httpx.Client) -> None:
    def empty(value: Any) -> bool:
        if isinstance(value, dict):
            return any(empty(member) for member in value.values())
        if isinstance(value, list):
            return any(empty(item) or item in (None, "", [], {}) for item in value)
        return value in (None, "")

    assert not empty(client.post(SERVICE, json=example()).json())
    assert not empty(client.get("/cds-services").json())


@pytest.mark.parametrize(
    "request_body",
    [
        EXAMPLE | {"extension": {"com.epic.cdshooks.request.bpa-trigger-action": 60}, "fhirServer": "http://x"},
        EXAMPLE
        | {"fhirAuthorization": {"access_token": "secret", "token_type": "Bearer"}, "unknown": [1, {"a": None}]},
        EXAMPLE | {"context": EXAMPLE["context"] | {"encounterId": "e", "userId": "PractitionerRole/a.b-c"}},
    ],
)
def test_what_real_clients_add_is_accepted(request_body: dict[str, Any], client: httpx.Client) -> None:
    headers = {"Authorization": "Bearer x.y.z", "Accept": "application/fhir+json, */*; q=0.1"}

    answer = client.post(SERVICE, json=request_body, headers=headers)

    assert answer.status_code == 200
    assert len(answer.json()["cards"]) == 1


@pytest.mark.parametrize(
    "value",
    [None, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}, [], "x"],
    ids=["null", "outcome", "list", "text"],
)
def test_a_required_key_that_failed_is_unknown_and_a_card_says_so(value: Any, client: httpx.Client) -> None:
    (card,) = client.post(SERVICE, json=example(medicationRequests=value)).json()["cards"]

    assert card["summary"].startswith("TRD status unknown")
    assert "medicationRequests" in card["detail"]


def test_a_required_key_that_is_absent_is_412_and_named(client: httpx.Client) -> None:
    answer = client.post(SERVICE, json=example(conditions="absent"))

    assert answer.status_code == 412
    issue = outcome_of(answer)
    assert "conditions" in issue["details"]["text"]
    assert "Condition?patient=" in issue["diagnostics"]


def test_an_unreadable_resource_is_left_out_and_the_card_says_so(client: httpx.Client) -> None:
    conditions = json.loads(json.dumps(EXAMPLE["prefetch"]["conditions"]))
    bad = {"resourceType": "Condition", "id": "bad", "subject": {"reference": "Patient/example"}, "code": "F33"}
    conditions["entry"].append({"resource": bad})
    conditions["total"] = 2

    (card,) = client.post(SERVICE, json=example(conditions=conditions)).json()["cards"]

    assert "1 Condition unreadable" in card["detail"]


def test_chart_text_cannot_make_markup_in_a_card(client: httpx.Client) -> None:
    conditions = json.loads(json.dumps(EXAMPLE["prefetch"]["conditions"]))
    conditions["entry"][0]["resource"]["code"]["text"] = "<script>alert(1)</script> [x](http://evil.example)"

    (card,) = client.post(SERVICE, json=example(conditions=conditions)).json()["cards"]

    assert "<script" not in card["detail"]
    assert "](http" not in card["detail"]


def test_evaluate_answers_with_everything_needed_to_check_it(client: httpx.Client) -> None:
    answer = client.post("/evaluate", json=BUNDLE).json()

    assert set(answer) == {
        "today", "rules", "cards", "conclusions", "definitions", "facts", "reasons", "missing", "data_quality",
    }  # fmt: skip
    assert answer["today"] == TODAY.isoformat()
    assert set(answer["conclusions"].values()) <= {"true", "false", "unknown"}
    assert answer["facts"]["failed_trials"]["value"] == 2
    sources = json.dumps(answer["reasons"]["treatment_resistant_depression"])
    assert "Condition/condition-1" in sources
    assert any(item["conclusion"] == "ketamine_contraindicated" for item in answer["missing"])


@pytest.mark.seconds
def test_reasons_can_be_left_out_and_nothing_else_is(client: httpx.Client) -> None:
    full = client.post("/evaluate", json=BUNDLE)
    lean = client.post("/evaluate", params={"reasons": "false"}, json=BUNDLE)

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(member) for key, member in value.items() if key != "reasons"}
        return [without(one) for one in value] if isinstance(value, list) else value

    assert lean.json() == without(full.json())
    assert full.json() == client.post("/evaluate", params={"reasons": "true"}, json=BUNDLE).json()
    assert len(lean.content) < len(full.content) / 2
    assert client.post("/evaluate", params={"reasons": "maybe"}, json=BUNDLE).status_code == 400


def test_the_day_of_an_answer_can_be_given(client: httpx.Client) -> None:
    later = client.post("/evaluate", params={"today": "2027-06-01"}, json=BUNDLE).json()

    assert later["today"] == "2027-06-01"
    assert later["facts"]["phq9"]["why_unknown"] == "too old"


def test_a_gzip_body_is_unpacked(client: httpx.Client) -> None:
    packed = gzip.compress(json.dumps(EXAMPLE).encode())

    answer = client.post(SERVICE, content=packed, headers={"Content-Encoding": "gzip"})

    assert len(answer.json()["cards"]) == 1


@pytest.mark.seconds
def test_requests_at_once_get_the_same_answers_as_one_after_another(client: httpx.Client) -> None:
    bodies = [json.loads((path / "request.json").read_text()) for path in sorted((ROOT / "fhir_examples").glob("*-*"))]

    def cards(body: dict[str, Any]) -> list[str]:
        (service,) = (identity for identity, hook in SERVICES.items() if hook == body["hook"])
        return [card["summary"] for card in client.post(f"/cds-services/{service}", json=body).json()["cards"]]

    one_by_one = [cards(body) for body in bodies]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(cards, bodies * 5)) == one_by_one * 5


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("address", [SERVICE, "/evaluate"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"x", b"\xff\xfe", b"NaN", b'{"total": NaN}', b"[" * 200_000, b"[]", b"7", b"null", b'"x"', b"{}"],
)
def test_a_body_that_is_no_request_is_a_4xx_that_says_why(address: str, body: bytes, client: httpx.Client) -> None:
    answer = client.post(address, content=body)

    assert answer.status_code in {400, 413}
    outcome_of(answer)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"hook": "order-sign"}, "hook"),
        ({"hook": None}, "hook"),
        ({"hook": 7}, "hook"),
        ({"hookInstance": ""}, "hookInstance"),
        ({"context": {}}, "context.patientId"),
        ({"context": None}, "context.patientId"),
        ({"context": {"patientId": "Practitioner/example"}}, "context.patientId"),
        ({"context": {"patientId": 7}}, "context.patientId"),
        ({"prefetch": []}, "prefetch"),
    ],
)
def test_a_wrong_member_is_400_and_named(changes: dict[str, Any], where: str, client: httpx.Client) -> None:
    answer = client.post(SERVICE, json=EXAMPLE | changes)

    assert answer.status_code == 400
    assert outcome_of(answer)["expression"] == [where]


def test_another_patients_resource_refuses_the_whole(client: httpx.Client) -> None:
    orders = json.loads(json.dumps(EXAMPLE["prefetch"]["medicationRequests"]))
    orders["entry"][0]["resource"]["subject"]["reference"] = "Patient/someone-else"

    answer = client.post(SERVICE, json=example(medicationRequests=orders))

    assert answer.status_code == 400
    assert "another patient" in outcome_of(answer)["details"]["text"]


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        ({"resourceType": "Bundle", "type": "collection"}, "no Patient"),
        (BUNDLE | {"entry": [*BUNDLE["entry"], {"resource": {"resourceType": "Patient", "id": "2"}}]}, "2 Patient"),
        (EXAMPLE, "CDS Hooks request"),
    ],
)
def test_a_bundle_that_cannot_be_answered_says_why(bundle: dict[str, Any], text: str, client: httpx.Client) -> None:
    answer = client.post("/evaluate", json=bundle)

    assert answer.status_code == 400
    assert text in outcome_of(answer)["details"]["text"]


def test_a_bundle_posted_to_a_service_is_told_where_to_go(client: httpx.Client) -> None:
    assert "/evaluate" in outcome_of(client.post(SERVICE, json=BUNDLE))["diagnostics"]


def test_unknown_services_addresses_and_methods(client: httpx.Client) -> None:
    assert client.post("/cds-services/nope", json=EXAMPLE).status_code == 404
    assert outcome_of(client.get("/nope"))["code"] == "not-found"
    assert client.get(SERVICE).status_code == 405
    assert client.post("/evaluate", params={"today": "soon"}, json=BUNDLE).status_code == 400
    assert client.post("/evaluate", params={"service": "nope"}, json=BUNDLE).status_code == 404


@pytest.mark.seconds
def test_bodies_beyond_the_limits_are_refused() -> None:
    with serving(max_body_bytes=200_000, most_entries=50) as small:
        large = b'{"resourceType": "Bundle", "entry": [' + b" " * 300_000 + b"]}"
        bomb = gzip.compress(b" " * 50_000_000)
        many = BUNDLE | {"entry": BUNDLE["entry"] * 20}

        assert small.post("/evaluate", content=large).status_code == 413
        assert small.post("/evaluate", content=iter([large])).status_code == 413
        assert small.post("/evaluate", content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
        assert small.post("/evaluate", content=b"no", headers={"Content-Encoding": "gzip"}).status_code == 400
        assert small.post("/evaluate", json=many).status_code == 413
        assert small.post("/evaluate", json=BUNDLE).status_code == 200


@pytest.mark.seconds
def test_fifty_megabytes_are_refused_by_default(client: httpx.Client) -> None:
    answer = client.post("/evaluate", content=b'{"resourceType": "Bundle", "x": "' + b"a" * 50_000_000 + b'"}')

    assert answer.status_code == 413
    assert "CDS_MAX_BODY_BYTES" in outcome_of(answer)["diagnostics"]


# ---------------------------------------------------------------- failing, trust, privacy


class Failing:
    """A reasoner that fails as it is told."""

    def __init__(self, rules: Ruleset, error: Exception) -> None:
        self.mode = rules.reasoner.mode
        self._error = error

    def conclude(self, facts: object) -> dict[str, Truth]:
        raise self._error


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules()


@pytest.mark.seconds
def test_when_the_engines_disagree_nobody_gets_a_card_and_health_says_so(
    rules: Ruleset, caplog: pytest.LogCaptureFixture
) -> None:
    disagreement = DisagreementError({"ketamine_candidate": (Truth.TRUE, Truth.UNKNOWN)})
    broken = Ruleset(rules.program, Failing(rules, disagreement))  # type: ignore[arg-type]
    with serving(rules=broken) as client, caplog.at_level(logging.ERROR):
        assert client.get("/health").status_code == 200

        answer = client.post(SERVICE, json=EXAMPLE)

        assert answer.status_code == 500
        outcome_of(answer)
        health = client.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["disagreements"]) == (200, "degraded", 1)
    assert "ketamine_candidate" in caplog.text


@pytest.mark.seconds
def test_a_failure_is_500_and_its_log_holds_nothing_of_the_chart(
    rules: Ruleset, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Ruleset(rules.program, Failing(rules, RuntimeError("Mrs Example, born 1980")))  # type: ignore[arg-type]
    with serving(rules=broken) as client, caplog.at_level(logging.DEBUG):
        answer = client.post(SERVICE, json=EXAMPLE, headers={"Authorization": "Bearer token-of-mine"})

    assert answer.status_code == 500
    outcome_of(answer)
    assert "RuntimeError" in caplog.text
    for secret in ("Mrs Example", "1980", "token-of-mine", "F33.1", "Traceback"):
        assert secret not in caplog.text


def test_health_says_which_rules_and_opinions(client: httpx.Client) -> None:
    health = client.get("/health").json()

    assert health["status"] == "ok"
    assert health["opinions"] in {"both", "direct"}
    assert len(health["rules"]) == 12


@pytest.mark.seconds
def test_a_browser_may_call_from_the_origins_that_were_set_and_sees_errors_too() -> None:
    asked = {"Origin": "https://sandbox.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
    with serving(cors_origins="https://sandbox.example, https://other.example") as client:
        for address in ("/cds-services", SERVICE, "/evaluate"):
            preflight = client.options(address, headers=asked)
            assert preflight.headers["access-control-allow-origin"] == "https://sandbox.example"
            assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        refused = client.post(SERVICE, content=b"{", headers={"Origin": "https://sandbox.example"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, "https://sandbox.example")
        stranger = client.get("/cds-services", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


# ---------------------------------------------------------------- public requests


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public data are not beside this checkout")
@pytest.mark.parametrize("path", sorted(PUBLIC.rglob("*.json")) if PUBLIC.is_dir() else [], ids=lambda p: p.name)
def test_no_public_request_makes_the_service_fail(path: Path, client: httpx.Client) -> None:
    body = json.loads(path.read_text())
    if isinstance(body, dict) and "hook" in body:
        body["hook"] = "patient-view"

    assert client.post(SERVICE, json=body).status_code < 500
