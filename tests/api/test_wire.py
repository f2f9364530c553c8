"""Answers are what CDS Hooks 2.0.1 and its clients ask for, whatever those clients send."""

from __future__ import annotations

import html
import json
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds import __version__
from tests.api.wire import flaws_in_card, flaws_in_discovery, flaws_in_response, issue
from tests.server import ROOT

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))
PUBLIC = ROOT.parent / "shared" / "data" / "cds-hooks"
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
JSON = dict[str, Any]


def example(**prefetch: Any) -> JSON:
    request: JSON = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
    request["prefetch"] |= prefetch
    return request


def cards(client: httpx.Client, request: JSON, **headers: str) -> list[JSON]:
    hook = request["hook"]
    service = SERVICE if hook == "patient-view" else f"{SERVICE}-{hook}"
    answer = client.post(service, json=request, headers=headers)
    assert answer.status_code == 200, answer.text
    assert flaws_in_response(answer.json()) == []
    found: list[JSON] = answer.json()["cards"]
    return found


def test_discovery(client: httpx.Client) -> None:
    answer = client.get("/cds-services", headers={"Authorization": "Bearer not.a.token"})

    assert answer.headers["content-type"] == "application/json"
    assert flaws_in_discovery(answer.json()) == []
    assert {service["version"] for service in answer.json()["services"]} == {"2.0.1"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_answer_to_every_example(client: httpx.Client, path: Path) -> None:
    cards(client, json.loads(path.read_text()))


def test_the_cards_of_evaluate(client: httpx.Client) -> None:
    answer = client.post("/evaluate", content=(ROOT / "fhir_examples" / "bundle.json").read_bytes()).json()

    assert [flaw for card in answer["cards"] for flaw in flaws_in_card(card)] == []


@pytest.mark.seconds
def test_evaluate_answers_the_same_to_the_byte(client: httpx.Client) -> None:
    body = (ROOT / "fhir_examples" / "bundle.json").read_bytes()

    assert client.post("/evaluate", content=body).content == client.post("/evaluate", content=body).content


def test_uuids_are_new_each_time(client: httpx.Client) -> None:
    assert cards(client, example())[0]["uuid"] != cards(client, example())[0]["uuid"]


# ---------------------------------------------------------------- silence means "nothing to say"


@pytest.mark.parametrize("key", ["patient", "conditions", "medicationRequests"])
@pytest.mark.parametrize("value", [None, FAILED, "text", 7, []])
def test_a_required_key_that_brought_nothing_is_never_silence(client: httpx.Client, key: str, value: Any) -> None:
    assert "missing" in cards(client, example(**{key: value}))[0]["summary"]


@pytest.mark.parametrize("value", [None, FAILED])
def test_when_every_key_failed_the_answer_is_not_silence(client: httpx.Client, value: Any) -> None:
    request = example()
    request["prefetch"] = dict.fromkeys(request["prefetch"], value)

    assert "missing" in cards(client, request)[0]["summary"]


def test_keys_nobody_asked_for_are_not_taken_as_answers(client: httpx.Client) -> None:
    request = example(encounter=None, allergyList={"resourceType": "Bundle", "type": "searchset", "entry": []})
    del request["prefetch"]["allergies"]

    assert "Confirm missing safety facts" in cards(client, request)[0]["summary"]


# ---------------------------------------------------------------- clients as they are


def test_the_sandbox_with_its_token_and_invalid_drafts_is_answered(client: httpx.Client) -> None:
    request = example()
    request["fhirServer"] = "https://launch.example/v/r2/fhir"
    request["context"] |= {
        "selections": ["MedicationRequest/draft"],
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "MedicationRequest", "status": "draft", "category": {}}}],
        },
    }

    assert cards(client, request, Authorization="Bearer a.b.c")


def test_epic_with_extensions_and_long_ids_is_answered(client: httpx.Client) -> None:
    request = example()
    request["hookInstance"] = str(uuid.uuid1())
    request["extension"] = {
        "com.epic.cdshooks.request.bpa-trigger-action": "60",
        "com.epic.cdshooks.request.criteria-id": 12345,
    }
    request["context"] |= {"userId": "PractitionerRole/e.Abc-1." + "x" * 80, "extension": {"a.b": [None]}}

    assert cards(client, request)


def test_medplum_with_its_accept_header_and_nulls_is_answered(client: httpx.Client) -> None:
    request = example(phq9=None, procedures=None)

    assert cards(client, request, Accept="application/fhir+json, */*; q=0.1")


def test_a_bundle_sent_as_prefetch_is_told_what_to_send(client: httpx.Client) -> None:
    answer = client.post(SERVICE, json=example() | {"prefetch": {"resourceType": "Bundle", "entry": []}})

    assert answer.status_code == 400
    assert issue(answer.json())["expression"] == ["prefetch"]


@pytest.mark.parametrize("content_type", ["application/fhir+json", "text/plain", ""])
def test_the_content_type_does_not_matter(client: httpx.Client, content_type: str) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(example()).encode()

    answer = client.post(SERVICE, content=body, headers={"Content-Type": content_type, "Accept": "text/x"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("instance", ["not-a-uuid", "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA", "🙂"])
def test_a_hook_instance_of_any_form_is_taken(client: httpx.Client, instance: str) -> None:
    assert cards(client, example() | {"hookInstance": instance})


@pytest.mark.parametrize("identity", ["a b", "<b>", "x" * 5000, "\n", "🙂", "p|1", ".."])
def test_an_odd_patient_id_is_answered_or_refused(client: httpx.Client, identity: str) -> None:
    request = example(patient=None)
    request["context"]["patientId"] = identity

    assert client.post(SERVICE, json=request).status_code in {200, 400}


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public data are not beside this checkout")
@pytest.mark.parametrize("path", sorted(PUBLIC.rglob("*.json")) if PUBLIC.is_dir() else [], ids=lambda p: p.name)
def test_a_public_request_with_our_keys_is_answered_or_refused_with_a_reason(client: httpx.Client, path: Path) -> None:
    request = json.loads(path.read_text())
    if isinstance(request, dict) and "hook" in request:
        empty = {"resourceType": "Bundle", "type": "searchset", "entry": []}
        ours = {"patient": None, "conditions": empty, "medicationRequests": empty}
        request |= {"hook": "patient-view", "prefetch": ours | (request.get("prefetch") or {})}

    answer = client.post(SERVICE, json=request)

    if answer.status_code == 200:
        assert flaws_in_response(answer.json()) == []
    else:
        assert answer.status_code < 500
        issue(answer.json())


# ---------------------------------------------------------------- the other addresses


@pytest.mark.parametrize("path", ["/", "/health", "/cds-services"])
def test_head_answers_like_get_without_a_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)

    assert answer.status_code == 200
    assert answer.content == b""


def test_health_and_root_say_which_version_answers(client: httpx.Client) -> None:
    assert client.get("/health").json()["version"] == __version__
    assert client.get("/").json()["version"] == __version__


def test_the_api_is_described_and_no_page_loads_scripts_from_elsewhere(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()

    assert {
        "/cds-services",
        "/cds-services/{identity}",
        "/cds-services/{identity}/feedback",
        "/Questionnaire/{identity}",
        "/evaluate",
        "/health",
        "/livez",
        "/readyz",
        "/source-attributes",
        "/source-attributes/{rule}",
        "/",
    } == described["paths"].keys()
    for page in ("/docs", "/"):
        shown = client.get(page, headers={"Accept": "text/html"})
        assert shown.headers["content-type"].startswith("text/html")
        assert not re.search(r'(src|href)="(?!/|#)', shown.text)
        assert "<script" not in shown.text


def test_the_page_of_the_api_has_every_address_that_is_described(client: httpx.Client) -> None:
    shown = html.unescape(client.get("/docs").text)
    described = client.get("/openapi.json").json()["paths"]

    for path, methods in described.items():
        for method in methods:
            assert f"{method.upper()} {path}</h2>" in shown
    assert "Practitioner/id" not in shown  # members of members are for tools
    assert "<code>hookInstance</code>: string; required" in shown


def test_the_first_page_is_for_people_and_json_for_programs(client: httpx.Client) -> None:
    page = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    links = re.findall(r'<a href="(/[^"]*)"', page.text)

    assert {"/docs", "/cds-services", "/health", "/openapi.json"} <= set(links)
    assert all(client.get(link).status_code == 200 for link in links)
    assert str(client.base_url).rstrip("/") + "/cds-services" in page.text
    assert page.headers["vary"] == client.get("/").headers["vary"] == "Accept"
    assert client.get("/").json()["discovery"] == "/cds-services"
