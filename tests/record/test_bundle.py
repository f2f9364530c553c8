from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.errors import NoPatientError, NotFhirError, NotJsonError, RequestError, TooLargeError, WrongPatientError
from cds.record.bundle import read_bundle, read_prefetch
from cds.record.model import DeliveryState, IssueKind
from tests.record.fhir import (
    JSON,
    LIMITS,
    about,
    bundle,
    coded,
    observation,
    order,
    patient,
    prefetch,
    read,
)

CONDITIONS = {"conditions": "Condition?patient={{context.patientId}}"}
SCORES = {
    "scores": "Observation?patient={{context.patientId}}&code=http://loinc.org|1-1,http://loinc.org|2-2&_sort=-date"
}


def condition(identity: str = "c1", **elements: Any) -> JSON:
    return about("Condition", identity, **({"code": coded("x", "a")} | elements))


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (b"", NotJsonError),
        (b"{", NotJsonError),
        (b"not json", NotJsonError),
        (b'{"resourceType": "Bundle", "total": NaN}', NotJsonError),
        (b'{"resourceType": "Bundle", "type": "\xff"}', NotJsonError),
        (b"[]", NotFhirError),
        (b'"Bundle"', NotFhirError),
        (b"{}", NotFhirError),
        (b'{"resourceType": "Patient"}', NotFhirError),
        (b'{"resourceType": 7}', NotFhirError),
        (b'{"hook": "patient-view", "hookInstance": "x", "context": {}}', NotFhirError),
        (b'{"resourceType": "Bundle", "entry": 7}', NotFhirError),
        (b'{"resourceType": "Bundle", "type": "collection"}', NoPatientError),
        (b'{"resourceType": "Bundle", "entry": []}', NoPatientError),
        (b'{"resourceType": "Bundle", "entry": [null, 7, {}, {"resource": null}]}', NoPatientError),
        (b"[" * 100_000, TooLargeError),
        (b'{"resourceType": "Bundle", "entry": [' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"]}", TooLargeError),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(text: bytes, refusal: type[RequestError]) -> None:
    with pytest.raises(refusal) as caught:
        read_bundle(text, **LIMITS)

    assert caught.value.what
    assert caught.value.fix


def test_more_entries_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLargeError):
        read_bundle(body(bundle(patient(), observation())), most_entries=1, max_depth=64)


def test_brackets_inside_strings_do_not_count_as_nesting() -> None:
    assert read(observation(note=[{"text": "[" * 500 + '"' + "{" * 500}])).measurements


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert read_bundle(b"\xef\xbb\xbf" + body(bundle(patient())), **LIMITS).patient.sex == "female"


def test_two_patients_are_refused() -> None:
    with pytest.raises(WrongPatientError):
        read(patient(id="p2"))


@pytest.mark.parametrize("reference", ["Patient/p2", "http://ehr.example/fhir/Patient/p2", "urn:uuid:0000"])
def test_a_resource_of_another_patient_refuses_the_whole(reference: str) -> None:
    with pytest.raises(WrongPatientError) as caught:
        read(condition(), order(subject={"reference": reference}))

    assert caught.value.where == "Bundle.entry[2].resource.subject"


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "http://ehr.example/fhir/Patient/p1",
        "Patient/p1/_history/3",
        "Patient/p1/",
        "http://ehr.example/fhir/Patient/p1/",
    ],
)
def test_ways_to_name_this_patient_are_understood(reference: str) -> None:
    assert len(read(condition(subject={"reference": reference})).diagnoses) == 1


MRN = {"system": "http://ehr.example/mrn", "value": "7"}


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": MRN},
        {"identifier": MRN, "type": "Patient"},
        {"reference": "Patient?identifier=http://ehr.example/mrn|7"},
        {"reference": "Patient?identifier=7"},
    ],
)
def test_this_patient_may_be_named_by_an_identifier(subject: JSON) -> None:
    named = bundle(patient(identifier=[None, {"system": "x"}, MRN]), condition(subject=subject))

    record = read_bundle(body(named), **LIMITS)

    assert len(record.diagnoses) == 1
    assert record.how_sent("Condition").state is DeliveryState.WHOLE


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": MRN | {"value": "8"}},
        {"identifier": MRN | {"system": "http://other.example"}},
        {"identifier": {"value": "7"}},
        {"reference": "Patient?identifier=8"},
        {"reference": "Patient?identifier=http://other.example|7"},
        {"reference": "Patient?identifier=|7"},
        {"reference": "Patient?name=x"},
        {"reference": "http://[?identifier=7"},
        {"reference": "patient/p1"},
        {"reference": "p1"},
        {"reference": "Nonsense/p1"},
        {"reference": "http://ehr.example/"},
    ],
)
def test_what_may_be_about_somebody_else_is_left_out_and_its_kind_is_not_whole(subject: JSON) -> None:
    named = bundle(patient(identifier=[MRN]), condition(), condition("c2", subject=subject), observation())

    record = read_bundle(body(named), **LIMITS)

    assert [d.source for d in record.diagnoses] == ["Condition/c1"]
    assert record.how_sent("Condition").state is DeliveryState.PART
    assert record.how_sent("Observation").state is DeliveryState.WHOLE
    assert [(issue.kind, issue.reference) for issue in record.issues] == [(IssueKind.UNREADABLE, "Condition/c2")]


@pytest.mark.parametrize(
    "subject",
    [{"reference": "Device/d"}, {"reference": "http://x/Location/l"}, {"identifier": MRN, "type": "Group"}],
)
def test_what_is_about_no_patient_leaves_its_kind_whole(subject: JSON) -> None:
    record = read(condition(), condition("c2", subject=subject))

    assert [d.source for d in record.diagnoses] == ["Condition/c1"]
    assert record.how_sent("Condition").state is DeliveryState.WHOLE


def test_urn_references_are_followed_through_the_full_url() -> None:
    whole = bundle(
        {"fullUrl": "urn:uuid:aa", "resource": patient()},
        condition(subject={"reference": "urn:uuid:aa"}),
    )

    assert len(read_bundle(body(whole), **LIMITS).diagnoses) == 1


def test_a_subject_that_is_not_a_patient_is_left_out_and_one_without_reference_taken() -> None:
    record = read(condition(subject={"reference": "Group/g"}), condition("c2", subject={"display": "someone"}))

    assert [d.source for d in record.diagnoses] == ["Condition/c2"]
    assert {issue.kind for issue in record.issues} == {IssueKind.IGNORED, IssueKind.IMPRECISE}


def test_without_a_patient_resource_the_one_patient_named_is_taken_and_it_is_said() -> None:
    record = read_bundle(body(bundle(condition())), **LIMITS)

    assert (record.patient.reference, record.patient.birth) == ("Patient/p1", None)
    assert any(issue.resource_type == "Patient" for issue in record.issues)

    with pytest.raises(WrongPatientError):
        read_bundle(body(bundle(condition(), condition("c2", subject={"reference": "Patient/p2"}))), **LIMITS)


def test_family_history_never_becomes_a_diagnosis() -> None:
    mother = about(
        "FamilyMemberHistory", "f1", condition=[{"code": coded("x", "a")}], patient={"reference": "Patient/p1"}
    )

    assert read(mother).diagnoses == ()


# ---------------------------------------------------------------- one bad resource


@pytest.mark.parametrize(
    "bad",
    [
        about("Condition", "bad", code="F33.1"),
        about("Condition", "bad", clinicalStatus="active"),
        about("Condition", "bad", code={"coding": {"code": "x"}}),
        about("Condition", "bad", onsetDateTime=7),
    ],
)
def test_an_unreadable_resource_costs_itself_only_and_is_named(bad: JSON) -> None:
    record = read(bad, condition(), observation())

    assert [d.source for d in record.diagnoses] == ["Condition/c1"]
    assert len(record.measurements) == 1
    (issue,) = record.issues
    assert (issue.kind, issue.resource_type) == (IssueKind.UNREADABLE, "Condition")
    assert issue.where.startswith("Bundle.entry[1].resource")
    assert record.how_sent("Condition").state is DeliveryState.PART
    assert record.how_sent("Observation").state is DeliveryState.WHOLE


@pytest.mark.parametrize("element", ["implicitRules", "modifierExtension"])
def test_what_may_change_the_meaning_of_a_resource_keeps_it_out(element: str) -> None:
    meant: JSON = {element: "http://x" if element == "implicitRules" else [{"url": "http://x"}]}

    record = read(condition(**meant))

    assert record.diagnoses == ()
    assert record.how_sent("Condition").state is DeliveryState.PART


def test_older_versions_are_never_half_understood() -> None:
    dstu2 = {"resourceType": "MedicationOrder", "id": "x", "patient": {"reference": "Patient/p1"}}
    stu3 = about("MedicationStatement", "s", status="active", taken="n", medicationCodeableConcept={"text": "Drug"})

    record = read(dstu2, stu3)

    assert record.exposures == ()
    assert record.how_sent("MedicationRequest").state is DeliveryState.PART
    assert record.how_sent("MedicationStatement").state is DeliveryState.PART


def test_numbers_sent_as_text_are_read_and_said() -> None:
    record = read(observation(valueQuantity={"value": "17", "code": "{score}"}))

    assert record.measurements[0].value == 17
    assert record.issues[0].kind is IssueKind.IMPRECISE


def test_null_members_and_unknown_members_are_no_obstacle() -> None:
    record = read(condition(clinicalStatus=None, severity={"text": "x"}, _onsetDateTime={"id": "x"}, extension=[]))

    assert len(record.diagnoses) == 1
    assert record.issues == ()


# ---------------------------------------------------------------- what was sent


def test_in_a_bundle_a_kind_with_a_resource_was_sent_and_one_without_was_not() -> None:
    record = read(condition())

    assert record.how_sent("Condition").state is DeliveryState.WHOLE
    assert record.how_sent("AllergyIntolerance").state is DeliveryState.NOT_SENT


def test_a_searchset_that_was_asked_and_is_empty_means_none() -> None:
    asked = bundle(kind="searchset", link=[{"relation": "self", "url": "http://x/AllergyIntolerance?patient=p1"}])
    limited = bundle(
        kind="searchset", link=[{"relation": "self", "url": "http://x/Observation?code=http://loinc.org|1-1"}]
    )

    record = read(asked, limited)

    assert record.how_sent("AllergyIntolerance").state is DeliveryState.WHOLE
    assert record.how_sent("Observation", frozenset({"1-1"})).state is DeliveryState.WHOLE
    assert record.how_sent("Observation", frozenset({"2-2"})).state is DeliveryState.NOT_SENT


@pytest.mark.parametrize(
    ("value", "state", "because"),
    [
        (bundle(condition(), kind="searchset"), DeliveryState.WHOLE, ""),
        (bundle(kind="searchset", total=0), DeliveryState.WHOLE, ""),
        (condition(), DeliveryState.WHOLE, ""),
        ({"resource": bundle(condition(), kind="searchset"), "response": {"status": "200"}}, DeliveryState.WHOLE, ""),
        (bundle(condition(), kind="searchset", link=[{"relation": "next", "url": "x"}]), DeliveryState.PART, "pages"),
        (bundle(condition(), kind="searchset", total=2), DeliveryState.PART, "1 of 2"),
        (
            bundle({"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}, kind="searchset"),
            DeliveryState.PART,
            "error",
        ),
        (None, DeliveryState.NOT_SENT, "null"),
        (
            {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
            DeliveryState.NOT_SENT,
            "could not read",
        ),
        ([], DeliveryState.NOT_SENT, "could not be read"),
        ("x", DeliveryState.NOT_SENT, "could not be read"),
    ],
    ids=["bundle", "empty", "bare", "wrapped", "next", "total", "outcome entry", "null", "outcome", "list", "text"],
)
def test_the_states_of_a_prefetch_key_are_told_apart(value: Any, state: DeliveryState, because: str) -> None:
    record = prefetch({"patient": patient(), "conditions": value}, CONDITIONS)

    sent = record.how_sent("Condition")
    assert sent.state is state
    assert because in sent.because


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"resourceType": "Foo"},
        {"resource": None},
        patient(),
        bundle(observation(), kind="searchset"),
        bundle({"resource": {"code": {}}}, kind="searchset"),
        bundle({"resource": {"resourceType": 7}}, kind="searchset"),
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"response": {"status": "404"}}]},
        {"resourceType": "Bundle", "type": "searchset", "entry": ["text"]},
        bundle(bundle(kind="searchset", total=9), kind="batch-response"),
    ],
    ids=[
        "an object", "another type", "a wrapper of null", "a Patient", "a Bundle of another type",
        "no resourceType", "a number as resourceType", "an entry with a status", "an entry of text",
        "a page inside a batch",
    ],
)  # fmt: skip
def test_what_does_not_answer_a_prefetch_key_never_means_none(value: Any) -> None:
    record = prefetch({"patient": patient(), "conditions": value}, CONDITIONS)

    assert record.how_sent("Condition").state is DeliveryState.PART


@pytest.mark.parametrize("nameless", [{"code": {}}, {"resourceType": 7}, "text"])
def test_a_resource_of_no_known_type_may_be_of_any_so_nothing_is_whole(nameless: Any) -> None:
    whole = json.loads(json.dumps(bundle(patient(), condition())))
    whole["entry"].append({"resource": nameless})

    record = read_bundle(body(whole), **LIMITS)

    assert len(record.diagnoses) == 1
    assert record.how_sent("Condition").state is DeliveryState.PART


def test_a_prefetch_key_that_is_absent_was_not_sent_and_did_not_fail() -> None:
    sent = prefetch({"patient": patient()}, CONDITIONS).sent["Condition"][0]

    assert (sent.state, sent.failed) == (DeliveryState.NOT_SENT, False)
    assert "conditions" in sent.because


def test_a_query_limited_to_codes_answers_for_those_codes_only() -> None:
    record = prefetch({"patient": patient(), "scores": bundle(kind="searchset")}, SCORES)

    assert record.how_sent("Observation", frozenset({"1-1", "2-2"})).state is DeliveryState.WHOLE
    assert record.how_sent("Observation", frozenset({"3-3"})).state is DeliveryState.NOT_SENT


def test_a_key_nobody_asked_for_is_read_but_never_complete() -> None:
    record = prefetch({"patient": patient(), "other": bundle(condition(), kind="searchset")}, {})

    assert len(record.diagnoses) == 1
    assert record.how_sent("Condition").state is DeliveryState.PART


def test_a_search_parameter_that_is_no_plain_word_is_not_repeated() -> None:
    link = {"relation": "self", "url": "http://x/Condition?patient=p1&%5Bx%5D(http://evil.example)=1"}

    sent = read(bundle(condition(), kind="searchset", link=[link])).how_sent("Condition")

    assert sent.state is DeliveryState.PART
    assert "evil" not in sent.because


def test_a_key_that_is_no_plain_word_is_not_repeated() -> None:
    record = prefetch({"patient": patient(), "[x](http://evil.example)": bundle(condition())}, {})

    assert "evil" not in record.how_sent("Condition").because


def test_the_patient_in_context_must_be_the_patient_sent() -> None:
    with pytest.raises(WrongPatientError):
        prefetch({"patient": patient(id="p2")}, {})
    with pytest.raises(WrongPatientError):
        prefetch({"conditions": bundle(condition(subject={"reference": "Patient/p2"}))}, CONDITIONS)


def test_a_medication_in_another_prefetch_key_is_found() -> None:
    drug = {"resourceType": "Medication", "id": "d1", "code": {"text": "Drug"}}
    pointing = order(medicationReference={"reference": "Medication/d1"})
    del pointing["medicationCodeableConcept"]

    record = prefetch(
        {"patient": patient(), "orders": bundle(pointing), "drugs": bundle(drug)},
        {"orders": "MedicationRequest?patient=x"},
    )

    assert record.exposures[0].drug.text == "Drug"


# ---------------------------------------------------------------- laws


RESOURCES = [
    patient(),
    condition(),
    condition("c2", onsetDateTime="2025-01"),
    observation(),
    observation("o2", effectiveDateTime="2026-04-01"),
    order(),
    order("m2", status="stopped"),
    about("AllergyIntolerance", "a1", code={"text": "x"}),
    about("Procedure", "r1", status="completed", code={"text": "x"}),
]


@given(st.randoms(use_true_random=False))
def test_the_order_of_entries_never_matters(rng: random.Random) -> None:
    shuffled = list(RESOURCES)
    rng.shuffle(shuffled)

    one, two = (read_bundle(body(bundle(*resources)), **LIMITS) for resources in (RESOURCES, shuffled))

    assert _without_places(one) == _without_places(two)


def test_a_feed_that_arrives_twice_changes_nothing() -> None:
    once, twice = (read_bundle(body(bundle(*resources)), **LIMITS) for resources in (RESOURCES, RESOURCES * 2))

    assert _without_places(once) == _without_places(twice)


def test_of_two_versions_of_a_resource_the_later_counts() -> None:
    old = condition(meta={"lastUpdated": "2025-01-01T00:00:00Z"}, recordedDate="2025-01-01")
    new = condition(meta={"lastUpdated": "2026-01-01T00:00:00Z"}, recordedDate="2026-01-01")

    for pair in ((old, new), (new, old)):
        (diagnosis,) = read(*pair).diagnoses
        assert diagnosis.recorded is not None
        assert diagnosis.recorded.text == "2026-01-01"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"lastUpdated": "2026-01-01T23:00:00Z"}, {"lastUpdated": "2026-01-01T20:00:00-05:00"}),
        ({"lastUpdated": "2026-01-02T01:00:00+05:00"}, {"lastUpdated": "2026-01-01T21:00:00Z"}),
        ({"lastUpdated": "2026-01-01T10:00:00.9Z"}, {"lastUpdated": "2026-01-01T10:00:00.91Z"}),
        ({"lastUpdated": "2026-01-01T10:00:00Z", "versionId": "9"},
         {"lastUpdated": "2026-01-01T10:00:00Z", "versionId": "10"}),
        ({"versionId": "1"}, {"versionId": "2", "lastUpdated": "2025-01-01T00:00:00Z"}),
        ({"versionId": "1", "lastUpdated": "2025-01-01T00:00:00Z"}, {"versionId": "2"}),
        ({"versionId": "1", "lastUpdated": "2026-01"}, {"versionId": "2", "lastUpdated": "2026-01-01T00:00:00Z"}),
    ],
)  # fmt: skip
def test_which_version_is_later_is_judged_by_the_instant_then_by_the_number(old: JSON, new: JSON) -> None:
    copies = [condition(meta=old, recordedDate="2025-01-01"), condition(meta=new, recordedDate="2026-01-01")]

    for pair in (copies, copies[::-1]):
        record = read(*pair)
        assert [d.recorded.text for d in record.diagnoses if d.recorded] == ["2026-01-01"]
        assert record.issues == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lastUpdated": "2026-01-01T10:00:00"}, {"lastUpdated": "2026-01-02T10:00:00Z"}),
        ({"lastUpdated": "2026-01"}, {"lastUpdated": "2026-02-01T00:00:00Z"}),
        ({"lastUpdated": "2026-01-01T10:00:00Z" + " " * 100}, {"lastUpdated": "2026-02-01T00:00:00Z"}),
        ({"versionId": "a"}, {"versionId": "b"}),
        ({"versionId": "9" * 5000}, {"versionId": "1"}),
    ],
)
def test_which_version_is_later_is_not_guessed(one: JSON, other: JSON) -> None:
    copies = [condition(meta=one, recordedDate="2025-01-01"), condition(meta=other, recordedDate="2026-01-01")]

    records = [read(*copies), read(*reversed(copies))]

    assert records[0].diagnoses == records[1].diagnoses
    assert [issue.kind for issue in records[0].issues] == [IssueKind.IMPRECISE]


def at(server: str, resource: JSON) -> JSON:
    full_url = f"{server}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": full_url, "resource": resource}


def test_resources_of_one_id_from_two_servers_are_two() -> None:
    one = at("https://a.example/fhir", condition(recordedDate="2025-01-01"))
    other = at("https://b.example/fhir", condition(recordedDate="2026-01-01", code=coded("x", "b")))

    records = [read(one, other), read(other, one)]

    assert [d.concept.words for d in records[0].diagnoses] == ["a", "b"]
    assert records[0].diagnoses == records[1].diagnoses
    assert [issue.kind for issue in records[0].issues] == [IssueKind.IMPRECISE]


@pytest.mark.parametrize("other", [at("https://b.example/fhir", condition()), condition()])
def test_the_same_resource_is_one_wherever_it_comes_from(other: JSON) -> None:
    record = read(at("http://a.example/fhir", condition()), at("https://A.example/fhir", condition()), other)

    assert len(record.diagnoses) == 1
    assert record.issues == ()


def test_a_copy_that_names_no_server_is_of_the_only_one_named() -> None:
    later = condition(meta={"lastUpdated": "2026-01-01T00:00:00Z"}, recordedDate="2026-01-01")
    earlier = condition(meta={"lastUpdated": "2025-01-01T00:00:00Z"}, recordedDate="2025-01-01")

    record = read(at("https://a.example/fhir", earlier), later)

    assert [d.recorded.text for d in record.diagnoses if d.recorded] == ["2026-01-01"]


def test_a_medication_that_two_servers_have_is_not_guessed() -> None:
    drugs = [
        at(server, {"resourceType": "Medication", "id": "d", "code": {"text": name}})
        for server, name in (("https://a.example", "Alfadep"), ("https://b.example", "Betadep"))
    ]
    pointing = order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/d"})

    (exposure,) = read(*drugs, pointing).exposures

    assert exposure.drug.words == ""


@pytest.mark.parametrize(
    "entry",
    [
        {"request": {"method": "DELETE", "url": "Condition/c1"}},
        {"request": {"method": "DELETE", "url": "Condition/c1"}, "response": {"status": "204"}},
        {"request": {"method": "delete"}, "resource": condition()},
    ],
)
def test_what_was_deleted_is_no_data(entry: JSON) -> None:
    whole = bundle(patient(), condition(), condition("c2", code=coded("x", "b")), kind="history")
    whole["entry"].append(entry)

    record = read_bundle(body(whole), **LIMITS)

    assert [d.source for d in record.diagnoses] == ["Condition/c2"]
    assert record.how_sent("Condition").state is DeliveryState.PART


def test_the_deletion_of_what_was_not_sent_changes_nothing() -> None:
    whole = bundle(patient(), condition(), kind="history")
    whole["entry"].append({"request": {"method": "DELETE", "url": "Condition/c9"}})

    record = read_bundle(body(whole), **LIMITS)

    assert (len(record.diagnoses), record.how_sent("Condition").state) == (1, DeliveryState.WHOLE)


@pytest.mark.parametrize("status", ["404 Not Found", "500", 403])
def test_what_came_with_an_error_is_no_data(status: str | int) -> None:
    failed = {"resource": condition(), "response": {"status": status}}

    posted = read(failed, condition("c2"), observation())
    asked = prefetch({"patient": patient(), "conditions": bundle(failed, condition("c2"))}, CONDITIONS)

    for record in (posted, asked):
        assert [d.source for d in record.diagnoses] == ["Condition/c2"]
        assert record.how_sent("Condition").state is DeliveryState.PART


def test_the_entry_of_a_batch_that_failed_is_no_answer_to_a_prefetch_key() -> None:
    failed = {"resource": bundle(condition(), kind="searchset"), "response": {"status": "500"}}
    fine = failed | {"response": {"status": "200"}}

    for nothing in (failed, {"response": {"status": "404"}}):
        record = prefetch({"patient": patient(), "conditions": nothing}, CONDITIONS)
        assert record.diagnoses == ()
        assert record.how_sent("Condition").state is DeliveryState.NOT_SENT
    assert len(prefetch({"patient": patient(), "conditions": fine}, CONDITIONS).diagnoses) == 1


@pytest.mark.parametrize("status", ["200 OK", "201", 304, "", None])
def test_what_came_without_an_error_is_data(status: str | int | None) -> None:
    assert len(read({"resource": condition(), "response": {"status": status}}).diagnoses) == 1


BEYOND = b"1e999"


@pytest.mark.parametrize("member", ["total", "type", "link", "timestamp", "signature", "id", "meta"])
@pytest.mark.parametrize("number", [BEYOND, b"9" * 5000, b"[1e999]", b'[{"relation":1e999}]'])
def test_a_number_no_computer_holds_costs_nothing_but_its_element(member: str, number: bytes) -> None:
    whole = body(bundle(patient(), condition())).replace(b'"entry"', b'"%s": %s, "entry"' % (member.encode(), number))

    assert len(read_bundle(whole, **LIMITS).diagnoses) == 1


@pytest.mark.parametrize("total", [BEYOND, b'"many"', b"[]", b"{}", b"9" * 400])
def test_a_total_that_cannot_be_read_leaves_it_open_whether_all_came(total: bytes) -> None:
    found = body(bundle(condition(), kind="searchset", total=1)).replace(b'"total": 1', b'"total": ' + total)
    values = {"patient": msgspec.Raw(body(patient())), "conditions": msgspec.Raw(found)}

    record = read_prefetch(values, templates=CONDITIONS, patient_id="p1", **LIMITS)

    assert len(record.diagnoses) == 1
    assert record.how_sent("Condition").state is DeliveryState.PART


def test_a_number_no_computer_holds_beside_a_modifier_costs_its_resource_only() -> None:
    odd = body(condition("c2", stage=[{"modifierExtension": [{"url": "x"}], "x": "HERE"}])).replace(b'"HERE"', BEYOND)
    whole = body(bundle(patient(), condition(), "HERE")).replace(b'{"resource": "HERE"}', b'{"resource": %s}' % odd)

    record = read_bundle(whole, **LIMITS)

    assert [d.source for d in record.diagnoses] == ["Condition/c1"]
    assert record.how_sent("Condition").state is DeliveryState.PART


@pytest.mark.parametrize("key", ["www.evil.example", "a.b", "conditions.1"])
def test_a_key_that_would_do_for_an_address_is_not_repeated(key: str) -> None:
    record = prefetch({"patient": patient(), key: bundle(condition())}, {})

    assert key not in record.how_sent("Condition").because


def _without_places(record: Any) -> Any:
    measurements = [(m.source, m.concept, m.value, m.unit, m.when) for m in record.measurements]
    kept = (record.patient, record.diagnoses, measurements, record.exposures, record.interventions, record.allergies)
    return (*kept, {kind: set(sent) for kind, sent in record.sent.items()})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inside for found in _paths(child, (*path, key)))]


@pytest.mark.seconds
@given(st.data(), VALUES)
def test_whatever_stands_in_an_element_the_answer_is_a_record_or_a_refusal(data: st.DataObject, value: Any) -> None:
    whole = json.loads(json.dumps(bundle(*RESOURCES)))
    path = data.draw(st.sampled_from([path for path in _paths(whole) if path]))
    holder = whole
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value

    try:
        record = read_bundle(body(whole), **LIMITS)
    except RequestError:
        return
    assert record.patient.reference
