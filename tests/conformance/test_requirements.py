"""
What CDS Hooks 2.0.1 asks of a service, held against a running one from outside.

Numbers: 1.x which version, 2.x the protocol, 3.x the hooks, in the order of the specification. What cannot be seen from
outside is not here: HTTPS is the proxy's, and a response time of about half a second is measured by benchmarks/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.wire import empties, flaws_in_card, flaws_in_discovery, flaws_in_response, is_uuid, issue
from tests.conformance.conftest import JSON, ORIGIN, Running
from tests.fhir_server import Answer, FhirServer
from tests.moved import example
from tests.server import ROOT

pytestmark = pytest.mark.processes

EXAMPLES = sorted(path.parent.name for path in (ROOT / "fhir_examples").glob("*/request.json"))
SILENT, SPEAKING = "07-diagnosis-refuted", "01-two-failed-trials"
OUTCOME: JSON = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
NONE: JSON = {"resourceType": "Bundle", "type": "searchset", "total": 0}
TOKEN = "conformance.token"  # noqa: S105 (invented)
DRAFT: JSON = {"resourceType": "MedicationRequest", "id": "draft", "status": "draft", "category": {}}
DRAFTS: JSON = {"resourceType": "Bundle", "entry": [{"resource": DRAFT}]}
CONTEXTS: dict[str, JSON] = {
    # Hook → what its context holds besides userId and patientId.
    "patient-view": {},
    "order-select": {"selections": ["MedicationRequest/draft"], "draftOrders": DRAFTS},
    "order-sign": {"draftOrders": DRAFTS},
    "encounter-start": {"encounterId": "e1"},
}


def request_for(service: JSON, name: str = SPEAKING, **changes: Any) -> JSON:
    """A request for a service: an example's data under the service's keys, and none where it has no data."""
    request = example(name)
    prefetch = {key: request["prefetch"].get(key, NONE) for key in service["prefetch"]}
    context = request["context"] | CONTEXTS[service["hook"]]
    return request | {"hook": service["hook"], "prefetch": prefetch, "context": context} | changes


def call(client: httpx.Client, service: JSON, request: JSON, **headers: str) -> httpx.Response:
    return client.post(f"/cds-services/{service['id']}", json=request, headers=headers)


def cards(client: httpx.Client, service: JSON, request: JSON, **headers: str) -> list[JSON]:
    answer = call(client, service, request, **headers)
    assert answer.status_code == 200, answer.text
    assert flaws_in_response(answer.json()) == []
    found: list[JSON] = answer.json()["cards"]
    return found


@pytest.fixture
def service(services: list[JSON]) -> JSON:
    """The service for the hook every client has."""
    return next(service for service in services if service["hook"] == "patient-view")


@pytest.fixture
def all_cards(client: httpx.Client, service: JSON) -> list[JSON]:
    """Every card that the examples bring."""
    found = [card for name in EXAMPLES for card in cards(client, service, request_for(service, name))]
    assert found
    return found


def accessing(fhir: FhirServer, scope: str = "patient/*.read") -> JSON:
    authorization = {
        "access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": scope, "subject": "cds",
    }  # fmt: skip
    return {"fhirServer": fhir.base, "fhirAuthorization": authorization}


# ---------------------------------------------------------------- 1 which version


def test_1_1_discovery_names_the_version_of_the_specification(services: list[JSON]) -> None:
    assert {service["version"] for service in services} == {"2.0.1"}


def test_1_2_no_template_uses_what_only_version_3_has(services: list[JSON]) -> None:
    for service in services:
        for template in service.get("prefetch", {}).values():
            assert not any(sign in template for sign in ("today(", "%", "resolve(", "ofType(", "|{{"))


def test_1_3_no_suggestion_uses_what_only_version_3_has(all_cards: list[JSON]) -> None:
    assert "actionSelectionBehavior" not in json.dumps(all_cards)


def test_1_4_an_error_has_an_operation_outcome(client: httpx.Client, service: JSON) -> None:
    for answer in (
        client.post("/cds-services/nobody", json={}),
        client.get("/nowhere"),
        client.delete("/cds-services"),
        call(client, service, {}),
        call(client, service, request_for(service, prefetch={})),
    ):
        assert answer.status_code >= 400
        issue(answer.json())


@pytest.mark.parametrize(
    "scope", ["user/Patient.read", "user/Patient.rs", "user/Condition.Read EPIC.FHIR.R4.SERVICES.X", "", "launch"]
)
def test_1_5_scopes_of_every_spelling_are_tried(
    client: httpx.Client, service: JSON, fhir: FhirServer, scope: str
) -> None:
    request = request_for(service, **accessing(fhir, scope))
    del request["prefetch"]["conditions"]

    assert cards(client, service, request)
    assert [seen.kind for seen in fhir.seen] == ["Condition"]


# ---------------------------------------------------------------- 2 JSON


def test_2_01_json_is_taken_and_given(client: httpx.Client, service: JSON) -> None:
    answer = call(client, service, request_for(service))

    assert answer.headers["content-type"] == "application/json"
    assert client.get("/cds-services").headers["content-type"] == "application/json"


def test_2_02_nothing_is_null_or_empty_but_a_list_of_cards_or_services(
    client: httpx.Client, services: list[JSON], all_cards: list[JSON]
) -> None:
    assert list(empties({"services": services})) == []
    assert list(empties({"cards": all_cards})) == []


@pytest.mark.parametrize("accept", ["application/fhir+json, */*; q=0.1", "text/html", "application/xml;q=1"])
def test_2_03_what_the_client_accepts_is_never_a_reason_to_refuse(
    client: httpx.Client, service: JSON, accept: str
) -> None:
    assert cards(client, service, request_for(service), Accept=accept)


# ---------------------------------------------------------------- 2 discovery


def test_2_04_discovery_is_there_and_lists_services(client: httpx.Client) -> None:
    answer = client.get("/cds-services")

    assert answer.status_code == 200
    assert isinstance(answer.json()["services"], list)
    assert flaws_in_discovery(answer.json()) == []


def test_2_05_a_service_has_a_hook_a_description_an_id_and_a_title(services: list[JSON]) -> None:
    for service in services:
        assert all(isinstance(service[name], str) and service[name] for name in ("hook", "description", "id", "title"))


def test_2_06_a_service_is_called_under_its_id(client: httpx.Client, services: list[JSON]) -> None:
    for service in services:
        assert call(client, service, request_for(service)).status_code == 200


def test_2_07_prefetch_is_an_object_of_texts(services: list[JSON]) -> None:
    for service in services:
        assert all(isinstance(text, str) and text for pair in service["prefetch"].items() for text in pair)


# ---------------------------------------------------------------- 2 request


def test_2_08_a_hook_that_is_not_the_services_is_refused(client: httpx.Client, services: list[JSON]) -> None:
    for service in services:
        answer = call(client, service, request_for(service, hook="appointment-book"))

        assert answer.status_code == 400
        assert issue(answer.json())["expression"] == ["hook"]


@pytest.mark.parametrize(
    "instance",
    [
        "77e23bf8-e75f-11f1-916b-02fc00000001",  # version 1, as Epic's
        "66efc2c7-805f-43f9-88bd-3b9db7296b83",
        "ED1B1207-D81F-4D73-AE3C-826727A78831",
    ],
)
def test_2_09_a_uuid_of_any_version_is_a_hook_instance(client: httpx.Client, service: JSON, instance: str) -> None:
    assert cards(client, service, request_for(service, hookInstance=instance))


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_2_10_a_required_member_that_is_missing_is_named(client: httpx.Client, service: JSON, member: str) -> None:
    request = request_for(service)
    del request[member]

    answer = call(client, service, request)

    assert answer.status_code == 400
    assert issue(answer.json())["expression"][0].split(".")[0] == member


def test_2_11_what_is_not_json_is_refused(client: httpx.Client, service: JSON) -> None:
    answer = client.post(f"/cds-services/{service['id']}", content=b"{not json")

    assert answer.status_code == 400
    issue(answer.json())


def test_2_12_extensions_are_accepted_everywhere(client: httpx.Client, service: JSON) -> None:
    extension: JSON = {"com.epic.cdshooks.request.bpa-trigger-action": "60", "a.b": [None, 7, {"c": {}}]}
    request = request_for(service, extension=extension)
    request["context"] |= {"extension": extension}
    request["prefetch"] |= {"extension": extension}
    request["fhirAuthorization"] = {"access_token": "t", "extension": extension}

    assert cards(client, service, request)


def test_2_13_unknown_members_are_ignored(client: httpx.Client, service: JSON) -> None:
    request = request_for(service, unknown=[1, {"a": None}])
    request["context"] |= {"unknown": {"b": []}}

    assert cards(client, service, request)


# ---------------------------------------------------------------- 2 prefetch


def test_2_14_a_client_may_honour_none_of_the_templates(client: httpx.Client, service: JSON, fhir: FhirServer) -> None:
    request = request_for(service, **accessing(fhir))
    del request["prefetch"]

    assert cards(client, service, request)
    assert {seen.kind for seen in fhir.seen} >= {"Patient", "Condition", "MedicationRequest"}


def test_2_15_a_client_may_honour_some_and_the_rest_is_read(
    client: httpx.Client, service: JSON, fhir: FhirServer
) -> None:
    whole = cards(client, service, request_for(service))
    request = request_for(service, **accessing(fhir))
    for key in ("conditions", "allergies", "phq9"):
        del request["prefetch"][key]

    assert [card["summary"] for card in cards(client, service, request)] == [card["summary"] for card in whole]
    assert len(fhir.seen) == 3


def test_2_16_null_is_not_taken_for_data(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    request["prefetch"] |= {"allergies": None}

    assert "missing" in cards(client, service, request)[0]["summary"]


def test_2_17_an_operation_outcome_is_a_failure_and_not_repeated(
    client: httpx.Client, service: JSON, fhir: FhirServer
) -> None:
    request = request_for(service, **accessing(fhir))
    request["prefetch"] |= {"allergies": OUTCOME}

    assert "missing" in cards(client, service, request)[0]["summary"]
    assert fhir.seen == []


def test_2_18_a_bundle_without_entries_is_data(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    request["prefetch"] |= {"allergies": NONE}

    assert "missing" not in cards(client, service, request)[0]["summary"]


def test_2_19_a_first_page_is_read_on(client: httpx.Client, service: JSON, fhir: FhirServer) -> None:
    request = request_for(service, **accessing(fhir))
    orders = request["prefetch"]["medicationRequests"]
    after = f"{fhir.base}?_getpages=MedicationRequest&_offset=1&patient=example"
    request["prefetch"]["medicationRequests"] = orders | {
        "entry": orders["entry"][:1],
        "link": [{"relation": "next", "url": after}],
    }

    assert cards(client, service, request)
    assert [seen.kind for seen in fhir.seen] == ["MedicationRequest"]


def test_2_20_required_data_that_cannot_be_had_is_412_and_named(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    del request["prefetch"]["patient"]

    answer = call(client, service, request)

    assert answer.status_code == 412
    assert "patient" in issue(answer.json())["details"]["text"]


def test_2_21_a_thin_record_is_answered(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    kept = request["prefetch"]["patient"]
    request["prefetch"] = dict.fromkeys(service["prefetch"], NONE) | {"patient": kept}

    cards(client, service, request)


def test_2_22_tokens_are_root_fields_of_the_context(services: list[JSON]) -> None:
    for service in services:
        for template in service["prefetch"].values():
            tokens = [part.partition("}}")[0] for part in template.split("{{")[1:]]
            assert set(tokens) <= {"context.patientId", "context.userId"}


def test_2_23_templates_stay_within_the_recommended_subset_of_queries(services: list[JSON]) -> None:
    for service in services:
        for template in service["prefetch"].values():
            names = [part.partition("=")[0] for part in template.partition("?")[2].split("&") if part]
            assert not [name for name in names if name.startswith(("_include", "_revinclude", "_has")) or "." in name]
            assert not [name for name in names if ":" in name and not name.endswith(":in")]
            assert len(names) == len(set(names))


# ---------------------------------------------------------------- 2 fhirAuthorization


def test_2_24_every_call_to_the_fhir_server_presents_the_token(
    client: httpx.Client, service: JSON, fhir: FhirServer
) -> None:
    request = request_for(service, **accessing(fhir))
    del request["prefetch"]

    cards(client, service, request)

    assert {seen.headers.get("authorization") for seen in fhir.seen} == {f"Bearer {TOKEN}"}


def test_2_25_the_token_is_transient(running: Running, service: JSON, fhir: FhirServer) -> None:
    request = request_for(service, **accessing(fhir))
    del request["prefetch"]
    cards(running.client, service, request)
    del request["fhirAuthorization"]
    fhir.seen.clear()

    cards(running.client, service, request)

    assert not [seen for seen in fhir.seen if "authorization" in seen.headers]
    assert TOKEN not in running.log.read_text()


@pytest.mark.parametrize("status", [401, 403])
def test_2_26_a_server_that_refuses_is_not_accessible(
    client: httpx.Client, service: JSON, fhir: FhirServer, status: int
) -> None:
    fhir.instead["Patient"] = [Answer(status)]
    request = request_for(service, **accessing(fhir))
    del request["prefetch"]["patient"]

    assert call(client, service, request).status_code == 412


# ---------------------------------------------------------------- 2 response


def test_2_27_nothing_to_say_is_an_empty_list_of_cards(client: httpx.Client, service: JSON) -> None:
    assert call(client, service, request_for(service, SILENT)).json() == {"cards": []}


def test_2_28_cards_have_what_cards_must(all_cards: list[JSON]) -> None:
    assert [flaw for card in all_cards for flaw in flaws_in_card(card)] == []


def test_2_29_cards_and_suggestions_have_uuids_for_feedback(all_cards: list[JSON]) -> None:
    found = [*all_cards, *(suggestion for card in all_cards for suggestion in card.get("suggestions", []))]

    assert all(is_uuid(each["uuid"]) for each in found)
    assert len({each["uuid"] for each in found}) == len(found)


def test_2_30_a_summary_is_one_line_under_140_characters(all_cards: list[JSON]) -> None:
    assert all(0 < len(card["summary"]) < 140 and "\n" not in card["summary"] for card in all_cards)


def test_2_31_details_hold_no_html(all_cards: list[JSON]) -> None:
    assert not [card for card in all_cards if "<" in card["detail"].replace("\\<", "").replace("&lt;", "")]


def test_2_32_indicators_are_those_of_the_specification(all_cards: list[JSON]) -> None:
    assert {card["indicator"] for card in all_cards} <= {"info", "warning", "critical"}


def test_2_33_sources_have_a_label_and_a_static_topic(all_cards: list[JSON]) -> None:
    assert all(card["source"]["label"] and card["source"]["topic"]["code"].isalnum() for card in all_cards)


def test_2_34_suggestions_come_with_a_selection_behavior(all_cards: list[JSON]) -> None:
    assert any("suggestions" in card for card in all_cards)
    assert all(("suggestions" in card) is ("selectionBehavior" in card) for card in all_cards)


def test_2_35_override_reasons_can_be_read(all_cards: list[JSON]) -> None:
    reasons = [reason for card in all_cards for reason in card.get("overrideReasons", [])]

    assert reasons
    assert all(reason["code"] and reason["system"] and reason["display"] for reason in reasons)


def test_2_36_there_are_no_system_actions(client: httpx.Client, service: JSON) -> None:
    assert call(client, service, request_for(service)).json().keys() == {"cards"}


# ---------------------------------------------------------------- 2 feedback


def test_2_37_feedback_is_taken_where_it_is_offered(client: httpx.Client, service: JSON) -> None:
    offered = [path for path in client.get("/openapi.json").json()["paths"] if path.endswith("/feedback")]
    if not offered:
        pytest.skip("this service offers no feedback")
    (card, *_) = cards(client, service, request_for(service))
    feedback = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-06-01T10:00:00.123Z"}

    answer = client.post(f"/cds-services/{service['id']}/feedback", json={"feedback": [feedback]})

    assert answer.status_code == 200


# ---------------------------------------------------------------- 2 security, CORS, status codes


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/{id}"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_2_38_a_browser_may_ask_before_it_calls(client: httpx.Client, service: JSON, path: str, method: str) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    answer = client.options(path.format(id=service["id"]), headers=asked)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed


def test_2_39_a_browser_may_read_errors(client: httpx.Client, service: JSON) -> None:
    for answer in (
        call(client, service, {}, Origin=ORIGIN),
        client.post("/cds-services/nobody", json={}, headers={"Origin": ORIGIN}),
    ):
        assert answer.status_code in {400, 404}
        assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_2_40_only_an_unknown_service_is_not_found(client: httpx.Client, service: JSON) -> None:
    assert client.post("/cds-services/nobody", json=request_for(service)).status_code == 404
    for wrong in ({}, {"hook": "nobody"}, request_for(service, context={}), request_for(service, prefetch={})):
        assert call(client, service, wrong).status_code in {400, 412}


def test_2_41_another_patients_data_are_refused(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    request["context"] |= {"patientId": "other"}

    answer = call(client, service, request)

    assert answer.status_code == 400
    issue(answer.json())


def test_2_42_nothing_of_a_chart_is_logged(running: Running, service: JSON) -> None:
    request = request_for(service)
    request["prefetch"]["patient"] |= {"name": [{"family": "Quackenbush"}]}

    cards(running.client, service, request)

    text = Path(running.log).read_text()
    assert "Quackenbush" not in text
    assert request["prefetch"]["patient"]["birthDate"] not in text


def test_2_43_every_address_of_the_protocol_asks_who_calls_or_none_does(
    running: Running, client: httpx.Client, service: JSON
) -> None:
    here = f"/cds-services/{service['id']}"
    answers = [
        client.get("/cds-services", auth=httpx.Auth()),
        client.post(here, json=request_for(service), auth=httpx.Auth()),
        client.post(f"{here}/feedback", json={"feedback": []}, auth=httpx.Auth()),
    ]

    assert [answer.status_code for answer in answers] == ([401] * 3 if running.signed else [200, 200, 400])


# ---------------------------------------------------------------- 3 hooks


def test_3_1_hooks_are_those_of_the_library(services: list[JSON]) -> None:
    assert {service["hook"] for service in services} <= CONTEXTS.keys()


@pytest.mark.parametrize(
    "user", ["Practitioner/p", "PractitionerRole/e.A-1." + "x" * 80, "Patient/example", "RelatedPerson/r"]
)
def test_3_2_users_of_every_kind_are_answered(client: httpx.Client, services: list[JSON], user: str) -> None:
    for service in services:
        request = request_for(service)
        request["context"] |= {"userId": user}

        assert call(client, service, request).status_code == 200


def test_3_3_an_encounter_is_optional(client: httpx.Client, service: JSON) -> None:
    request = request_for(service)
    request["context"] |= {"encounterId": "e1"}

    assert len(cards(client, service, request)) == len(cards(client, service, request_for(service)))


def test_3_4_a_patient_id_may_be_written_as_a_reference(client: httpx.Client, services: list[JSON]) -> None:
    """The specification asks for the bare id; 48 of 79 public requests write Patient/x."""
    for service in services:
        request = request_for(service)
        request["context"] |= {"patientId": f"Patient/{request['context']['patientId']}"}

        assert len(cards(client, service, request)) == len(cards(client, service, request_for(service)))


def test_3_4_a_patient_id_is_an_id(client: httpx.Client, services: list[JSON]) -> None:
    for service in services:
        request = request_for(service)
        request["context"] |= {"patientId": "Practitioner/example"}

        answer = call(client, service, request)

        assert answer.status_code == 400
        assert issue(answer.json())["expression"] == ["context.patientId"]


def test_3_5_drafts_that_are_not_valid_fhir_are_answered(client: httpx.Client, services: list[JSON]) -> None:
    for service in services:
        request = request_for(service)
        request["context"] |= CONTEXTS["order-select"]

        assert call(client, service, request).status_code == 200
