"""Security labels (meta.security) of data, such as that of 42 CFR Part 2: carried to what we emit, or withheld."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cds.record.bundle import read_bundle
from tests.moved import example
from tests.record.fhir import LIMITS, bundle, patient
from tests.server import serving

SERVICE = "/cds-services/ketamine-evaluation"
PART_2 = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "code": "42CFRPart2",
    "display": "42 CFR Part2",
}
DEPENDENCE = "23-alcohol-dependence"


def labeled(name: str, chosen: Callable[[dict[str, Any]], bool], label: Any = PART_2) -> dict[str, Any]:
    """An example in which some resources have a label."""
    request = example(name)
    for value in request["prefetch"].values():
        for entry in value.get("entry", [{"resource": value}]):
            if chosen(entry["resource"]):
                entry["resource"]["meta"] = {"security": [label]}
    return request


def is_alcohol(resource: dict[str, Any]) -> bool:
    return resource["resourceType"] == "Condition" and "F10.20" in json.dumps(resource)


def drafts(card: dict[str, Any]) -> list[dict[str, Any]]:
    return [action["resource"] for suggestion in card.get("suggestions", []) for action in suggestion["actions"]]


def cards(client: httpx.Client, request: dict[str, Any]) -> list[dict[str, Any]]:
    answered = client.post(SERVICE, json=request)
    assert answered.status_code == 200
    return list(answered.json()["cards"])


def test_what_rests_on_labeled_data_has_the_label(client: httpx.Client) -> None:
    plain, told = cards(client, example(DEPENDENCE)), cards(client, labeled(DEPENDENCE, is_alcohol))

    assert [card["detail"] for card in told] == [card["detail"] for card in plain]
    (card,) = told
    assert card["extension"]["org.thirdline.card"]["labels"] == [PART_2]
    assert drafts(card)
    assert all(draft["meta"]["security"] == [PART_2] for draft in drafts(card))
    assert "labels" not in plain[0]["extension"]["org.thirdline.card"]
    assert all("meta" not in draft for draft in drafts(plain[0]))


def test_what_rests_on_other_data_has_none(client: httpx.Client) -> None:
    request = labeled(DEPENDENCE, lambda resource: False)
    entries = request["prefetch"]["conditions"]["entry"]
    other = {"resourceType": "Condition", "id": "sprain", "meta": {"security": [PART_2]}}
    other |= {
        "subject": entries[0]["resource"]["subject"],
        "code": {"coding": [{"system": ICD_10_CM, "code": "S93.401A"}]},
    }
    entries.append({"resource": other})

    (card,) = cards(client, request)
    assert "labels" not in card["extension"]["org.thirdline.card"]


ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.mark.seconds
def test_a_site_can_leave_labeled_data_out_and_they_are_unknown() -> None:
    with serving(withhold_labels=("42CFRPart2",)) as client:
        (whole,) = cards(client, example(DEPENDENCE))
        (card,) = cards(client, labeled(DEPENDENCE, is_alcohol))
        other = PART_2 | {"code": "SUD"}
        (carried,) = cards(client, labeled(DEPENDENCE, is_alcohol, other))

    assert "lcohol" in whole["detail"]
    assert "lcohol" not in card["summary"]
    assert "labels" not in card["extension"]["org.thirdline.card"]
    assert "1 Condition ignored" in card["detail"]
    assert "some Condition could not be read" in json.dumps(card) or card["summary"] != whole["summary"]
    assert carried["extension"]["org.thirdline.card"]["labels"] == [other]


def test_what_is_withheld_leaves_its_type_in_part() -> None:
    sent = bundle(
        patient(),
        {
            "resourceType": "Condition",
            "id": "c",
            "meta": {"security": [PART_2]},
            "subject": {"reference": f"Patient/{patient()['id']}"},
        },
    )
    record = read_bundle(json.dumps(sent).encode(), **LIMITS, withheld=frozenset({"42CFRPart2"}))

    assert not record.diagnoses
    assert record.how_sent("Condition").state.value == "part"
    assert any("security label" in issue.what for issue in record.issues)


@pytest.mark.parametrize("security", [None, [], [None], [{}], [{"display": "no code"}], "text", [{"code": 7}]])
def test_a_label_that_cannot_be_read_is_none(security: Any) -> None:
    about = {"resourceType": "Condition", "id": "c", "subject": {"reference": f"Patient/{patient()['id']}"}}
    record = read_bundle(json.dumps(bundle(patient(), about | {"meta": {"security": security}})).encode(), **LIMITS)

    assert record.labels == {}
    assert len(record.diagnoses) == 1


def test_the_patient_is_never_withheld() -> None:
    who = patient() | {"meta": {"security": [PART_2]}}
    record = read_bundle(json.dumps(bundle(who)).encode(), **LIMITS, withheld=frozenset({"42CFRPart2"}))

    assert record.labels["Patient/" + who["id"]]


def test_a_label_next_to_one_that_cannot_be_read_counts() -> None:
    who = patient() | {"meta": {"security": [{"code": 7}, None, PART_2, "text"]}}

    assert [
        label.code for label in read_bundle(json.dumps(bundle(who)).encode(), **LIMITS).labels["Patient/" + who["id"]]
    ] == ["42CFRPart2"]
