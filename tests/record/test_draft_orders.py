"""Orders being written: read however little of them is there, and never taken for what was taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds.errors import TooLargeError, WrongPatientError
from cds.record.bundle import read_prefetch
from cds.record.draft_orders import orders_of
from cds.record.model import DeliveryState, IssueKind, PatientRecord
from tests.record.fhir import JSON, LIMITS, bundle, coded, order, prefetch, read

RX = "http://www.nlm.nih.gov/research/umls/rxnorm"


def draft(identity: str = "d1", **elements: Any) -> JSON:
    return order(identity, **({"status": "draft"} | elements))


def with_orders(
    value: Any, *, hook: str = "order-sign", selections: Any = None, sent: bool = True, **limits: Any
) -> PatientRecord:
    body = json.dumps(value).encode() if sent else b""
    orders = orders_of(hook, body, selections)
    return read_prefetch({}, templates={}, patient_id="p1", orders=orders, **(LIMITS | limits))


def words(record: PatientRecord) -> list[str]:
    return [draft.concept.words for draft in record.drafts]


def test_an_order_names_its_drug_its_reason_and_itself() -> None:
    record = with_orders(bundle(draft(reasonCode=[coded("http://hl7.org/fhir/sid/icd-10-cm", "F33.1")])))

    (found,) = record.drafts
    assert (found.source, found.kind, found.concept.text) == ("MedicationRequest/d1", "MedicationRequest", "Drug")
    assert found.unreadable == ""
    assert [reason.words for reason in found.reasons] == ["F33.1"]


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
@pytest.mark.parametrize("status", ["draft", "active"])
def test_an_order_is_never_taken(hook: str, status: str) -> None:
    record = with_orders(bundle(draft(status=status)), hook=hook)

    assert record.exposures == ()
    assert "MedicationRequest" not in record.sent
    assert len(record.drafts) == 1


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start"])
def test_other_hooks_bring_no_orders(hook: str) -> None:
    assert orders_of(hook, b"{}", None) is None
    record = prefetch({}, {})
    assert (record.drafts, record.drafts_sent.state) == ((), DeliveryState.WHOLE)


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "stopped", "completed"])
def test_what_is_no_longer_ordered_is_no_order(status: str) -> None:
    assert with_orders(bundle(draft(status=status))).drafts == ()


def test_an_order_not_to_give_a_drug_is_no_order_of_it() -> None:
    assert with_orders(bundle(draft(doNotPerform=True))).drafts == ()


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "MedicationRequest", "id": "d1"},
        {"resourceType": "MedicationRequest", "id": "d1", "medicationCodeableConcept": {"coding": [{}]}},
        {"resourceType": "MedicationRequest", "id": "d1", "medicationCodeableConcept": 5},
        {"resourceType": "MedicationRequest", "id": "d1", "medicationReference": {"reference": "Medication/gone"}},
        {"resourceType": "ServiceRequest", "id": "d1", "code": {"coding": [{}]}, "reasonCode": []},
        {"resourceType": "ServiceRequest", "id": "d1", "code": []},
        {"resourceType": "MedicationRequest", "id": "d1", "medicationCodeableConcept": {"text": "Drug"},
         "modifierExtension": [{"url": "urn:x"}]},
        {"id": "d1"},
        "text",
        5,
        None,
    ],
)  # fmt: skip
def test_an_order_that_says_too_little_is_an_order_of_unknown_content(resource: Any) -> None:
    for value in ({"resourceType": "Bundle", "entry": [{"resource": resource}]}, [resource]):
        (found,) = with_orders(value).drafts
        assert found.unreadable
        assert found.concept.words == ""


def test_one_element_that_cannot_be_read_does_not_cost_the_order() -> None:
    record = with_orders(bundle(draft(doNotPerform="perhaps", dosageInstruction="one a day", intent=5, status=["x"])))

    assert words(record) == ["Drug"]


@pytest.mark.parametrize(
    "value",
    [
        {"resourceType": "Bundle", "entry": [{"resource": draft()}]},
        {"entry": [{"resource": draft()}]},
        {"resourceType": "Bundle", "entry": [draft()]},
        {"resourceType": "Bundle", "type": 5, "entry": [{"resource": draft(), "fullUrl": 5}]},
        draft(),
        [draft()],
    ],
)
def test_orders_are_found_in_whatever_holds_them(value: Any) -> None:
    assert words(with_orders(value)) == ["Drug"]


@pytest.mark.parametrize("value", ["text", 5, True, {"resourceType": "Bundle", "entry": "none"}])
def test_what_holds_no_orders_is_orders_that_did_not_come(value: Any) -> None:
    record = with_orders(value)

    assert record.drafts == ()
    assert record.drafts_sent.state is DeliveryState.NOT_SENT
    assert IssueKind.UNREADABLE in {issue.kind for issue in record.issues}


def test_orders_that_were_not_sent_did_not_come() -> None:
    for record in (with_orders(None), with_orders(None, sent=False)):
        assert record.drafts_sent.state is DeliveryState.NOT_SENT
        assert any("draftOrders" in issue.what for issue in record.issues)


def test_an_empty_bundle_holds_no_orders() -> None:
    record = with_orders({"resourceType": "Bundle"})

    assert (record.drafts, record.drafts_sent.state) == ((), DeliveryState.WHOLE)


def test_the_drug_of_an_order_may_stand_in_a_medication_beside_or_inside_it() -> None:
    medication = {"resourceType": "Medication", "id": "m1", "code": coded(RX, "123", "Drug X")}
    beside = draft(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"})
    inside = beside | {"contained": [medication], "medicationReference": {"reference": "#m1"}}

    assert words(with_orders(bundle(beside, medication))) == ["Drug X"]
    assert words(with_orders(bundle(inside))) == ["Drug X"]


def test_orders_of_older_versions_are_read() -> None:
    older = {"resourceType": "MedicationOrder", "id": "d1", "patient": {"reference": "Patient/p1"},
             "medicationCodeableConcept": {"text": "Drug"}}  # fmt: skip

    assert words(with_orders(bundle(older))) == ["Drug"]
    with pytest.raises(WrongPatientError):
        with_orders(bundle(older | {"patient": {"reference": "Patient/other"}}))


def test_orders_of_other_things_are_passed_over() -> None:
    assert with_orders(bundle({"resourceType": "NutritionOrder", "id": "d1"}, {"resourceType": "Task"})).drafts == ()


def test_an_order_of_another_patient_is_refused_and_one_of_nobody_is_not() -> None:
    nobody = {key: value for key, value in draft().items() if key != "subject"}

    assert len(with_orders(bundle(nobody)).drafts) == 1
    with pytest.raises(WrongPatientError) as refusal:
        with_orders(bundle(draft(subject={"reference": "Patient/other"})))
    assert refusal.value.where.startswith("context.draftOrders.entry[0]")


@pytest.mark.parametrize(
    "selection", ["MedicationRequest/d2", "https://ehr.example.org/fhir/MedicationRequest/d2", "d2", " d2 "]
)
def test_a_selection_leaves_the_selected_orders(selection: str) -> None:
    orders = bundle(draft("d1"), draft("d2", medicationCodeableConcept={"text": "Second"}))

    assert words(with_orders(orders, hook="order-select", selections=[selection])) == ["Second"]
    assert words(with_orders(orders, hook="order-sign", selections=[selection])) == ["Drug", "Second"]


def test_a_selection_that_names_no_order_is_said_and_is_an_order_of_unknown_content() -> None:
    record = with_orders(bundle(draft("d1")), hook="order-select", selections=["MedicationRequest/gone"])

    (found,) = record.drafts
    assert "not among those" in found.unreadable
    assert any(issue.where == "context.selections" for issue in record.issues)


@pytest.mark.parametrize("selections", [None, [], "d1", [5, None], {}])
def test_without_a_usable_selection_every_order_is_looked_at(selections: Any) -> None:
    record = with_orders(bundle(draft("d1")), hook="order-select", selections=selections)

    assert words(record) == ["Drug"]
    assert any(issue.where == "context.selections" for issue in record.issues)


def test_a_selection_of_something_else_than_an_order_is_no_fault() -> None:
    orders = bundle({"resourceType": "NutritionOrder", "id": "n1"}, draft("d1"))
    record = with_orders(orders, hook="order-select", selections=["NutritionOrder/n1"])

    assert record.drafts == ()
    assert not [issue for issue in record.issues if issue.where == "context.selections"]


def test_too_many_and_too_deep_orders_are_refused() -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(TooLargeError):
        with_orders(bundle(draft(), draft("d2")), most_entries=1)
    with pytest.raises(TooLargeError):
        with_orders(bundle(deep))


def test_drafts_of_a_bundle_are_orders_being_written_and_not_taken() -> None:
    record = read(draft("d1"), order("m1"))

    assert words(record) == ["Drug"]
    assert [exposure.source for exposure in record.exposures] == ["MedicationRequest/m1"]
