from __future__ import annotations

from typing import Any

import pytest

from cds.record.model import Delivery, DeliveryState, PatientRecord
from cds.record.search import Query, query_of
from tests.record.fhir import JSON, about, bundle, observation, order, patient, prefetch, read

TEMPLATES = {
    "conditions": "Condition?patient={{context.patientId}}",
    "scores": "Observation?patient={{context.patientId}}&code=http://loinc.org|1-1&_sort=-date&_count=2",
}


def searchset(*resources: Any, link: str = "", **elements: Any) -> JSON:
    links = {"link": [{"relation": "self", "url": f"http://ehr.example/fhir/{link}"}]} if link else {}
    return bundle(*resources, kind="searchset", **links, **elements)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Patient/{{context.patientId}}", Query("Patient")),
        ("Condition?patient=p1", Query("Condition", patient="p1")),
        ("Condition/_search?subject=Patient/p1", Query("Condition", patient="p1")),
        ("https://x/api/FHIR/R4/Condition?patient=p1", Query("Condition", patient="p1")),
        ("https://x/Patient/p1/Condition", Query("Condition", patient="p1")),
        ("https://x/Patient/p1/$everything", Query("", patient="p1")),
        ("Observation?code=http%3A%2F%2Floinc.org%7C1-1,2-2", Query("Observation", frozenset({"1-1", "2-2"}))),
        ("Observation?code=1-1,2-2&code=2-2", Query("Observation", frozenset({"2-2"}))),
        ("Observation?code=http://loinc.org|", Query("Observation", frozenset())),
        ("Observation?code:in=http://vs", Query("Observation", frozenset())),
        ("Condition?category=x&_sort=-date&_count=20", Query("Condition", None, frozenset({"category"}), "", 20)),
        ("MedicationRequest?intent=order,plan", Query("MedicationRequest")),
        ("MedicationRequest?intent=plan", Query("MedicationRequest", None, frozenset({"intent"}))),
        ("Coverage?patient=p1", Query("Coverage", patient="p1")),
        ("http://[", Query("")),
        ("", Query("")),
    ],
)
def test_a_search_says_what_it_asks_for_and_what_it_leaves_out(text: str, query: Query) -> None:
    assert query_of(text) == query


def only(record: PatientRecord, kind: str) -> Delivery:
    (sent,) = record.sent[kind]
    return sent


def test_a_search_limited_to_codes_says_nothing_of_others_even_when_it_found_some() -> None:
    record = read(searchset(observation(), link="Observation?patient=p1&code=http://loinc.org|1-1"))

    assert record.how_sent("Observation", frozenset({"1-1"})).state is DeliveryState.WHOLE
    assert record.how_sent("Observation", frozenset({"2-2"})).state is DeliveryState.NOT_SENT


@pytest.mark.parametrize("found", [[], [about("AllergyIntolerance", "a", code={"text": "x"})]])
def test_a_search_narrowed_by_something_else_is_never_whole(found: list[JSON]) -> None:
    record = read(searchset(*found, link="AllergyIntolerance?patient=p1&clinical-status=active"))

    sent = only(record, "AllergyIntolerance")
    assert sent.state is DeliveryState.PART
    assert "clinical-status" in sent.because


@pytest.mark.parametrize(
    ("whose", "state"),
    [("p1", DeliveryState.WHOLE), ("Patient/p1", DeliveryState.WHOLE), ("p2", DeliveryState.NOT_SENT)],
)
def test_a_search_that_found_none_counts_only_if_it_was_about_this_patient(whose: str, state: DeliveryState) -> None:
    empty = searchset(link=f"Condition?patient={whose}")

    assert only(read(empty), "Condition").state is state
    assert only(prefetch({"patient": patient(), "conditions": empty}, TEMPLATES), "Condition").state is state


def test_what_came_along_with_another_search_is_there_in_part() -> None:
    included = {"resource": about("Condition", "c"), "search": {"mode": "include"}}

    record = read(searchset(order(), included, link="MedicationRequest?patient=p1"))

    assert only(record, "MedicationRequest").state is DeliveryState.WHOLE
    assert only(record, "Condition").state is DeliveryState.PART


def test_a_page_that_is_not_the_first_is_there_in_part() -> None:
    last = bundle(about("Condition", "c"), kind="searchset", link=[{"relation": "previous", "url": "x"}])

    assert only(read(last), "Condition").state is DeliveryState.PART


def test_an_ehr_that_ran_a_narrower_search_than_was_asked_for_is_noticed() -> None:
    narrowed = searchset(link="Condition?patient=p1&category=problem-list-item")

    sent = only(prefetch({"patient": patient(), "conditions": narrowed}, TEMPLATES), "Condition")

    assert (sent.state, "category" in sent.because) == (DeliveryState.PART, True)


@pytest.mark.parametrize(
    ("scores", "elements", "state"),
    [
        (1, {}, DeliveryState.WHOLE),
        (2, {}, DeliveryState.PART),
        (2, {"total": 2}, DeliveryState.WHOLE),
        (2, {"link": [{"relation": "self", "url": "Observation?patient=p1"}]}, DeliveryState.WHOLE),
    ],
)
def test_a_full_page_is_whole_only_if_something_says_it_is_the_last(
    scores: int, elements: JSON, state: DeliveryState
) -> None:
    page = bundle(*(observation(f"o{n}") for n in range(scores)), kind="searchset", **elements)

    assert only(prefetch({"patient": patient(), "scores": page}, TEMPLATES), "Observation").state is state
