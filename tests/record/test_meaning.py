"""What changes the meaning of a resource is never passed over."""

from __future__ import annotations

import pytest

from cds.errors import WrongPatientError
from cds.record.model import DeliveryState, IssueKind, Verification
from tests.record.fhir import JSON, about, coded, observation, order, patient, prefetch, read

ALTERED: JSON = {"modifierExtension": [{"url": "http://x", "valueBoolean": True}]}


@pytest.mark.parametrize(
    "resource",
    [
        order(dosageInstruction=[ALTERED]),
        order(dosageInstruction=[{"timing": ALTERED}]),
        order(contained=[{"resourceType": "Medication", "id": "m"} | ALTERED]),
        observation(component=[{"code": coded("x", "a"), "valueInteger": 1} | ALTERED]),
        about("QuestionnaireResponse", "q", status="completed", item=[{"linkId": "1-8"} | ALTERED]),
    ],
    ids=["dosage", "timing", "contained", "component", "item"],
)
def test_a_modifier_extension_anywhere_inside_keeps_the_resource_out(resource: JSON) -> None:
    record = read(resource)

    assert (record.exposures, record.measurements) == ((), ())
    assert record.how_sent(resource["resourceType"]).state is DeliveryState.PART
    assert [issue.kind for issue in record.issues] == [IssueKind.IGNORED]


def test_an_empty_modifier_extension_changes_nothing() -> None:
    record = read(order(dosageInstruction=[{"modifierExtension": [], "text": "modifierExtension"}]))

    assert len(record.exposures) == 1
    assert record.issues == ()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (None, Verification.CONFIRMED),
        ({}, Verification.CONFIRMED),
        (coded("x", "confirmed"), Verification.CONFIRMED),
        (coded("x", "rule-out"), Verification.POSSIBLE),
        ({"text": "wohl nicht"}, Verification.POSSIBLE),
    ],
)
def test_a_verification_status_that_is_not_understood_does_not_confirm(
    said: JSON | None, meaning: Verification
) -> None:
    (diagnosis,) = read(about("Condition", "c", code=coded("x", "a"), verificationStatus=said)).diagnoses

    assert diagnosis.verification is meaning


def test_the_end_of_an_onset_period_does_not_end_the_condition() -> None:
    (diagnosis,) = read(
        about("Condition", "c", code=coded("x", "a"), onsetPeriod={"start": "2024-01-01", "end": "2024-02-01"})
    ).diagnoses

    assert diagnosis.abated is None


@pytest.mark.parametrize(("recorded", "abated"), [("2021-01-01", "2020-01-01 to 2021-01-01"), (None, None)])
def test_a_condition_said_to_be_over_ended_by_the_day_that_was_recorded(
    recorded: str | None, abated: str | None
) -> None:
    (diagnosis,) = read(
        about(
            "Condition", "c", code=coded("x", "a"), onsetDateTime="2020-01-01", recordedDate=recorded,
            abatementBoolean=True,
        )
    ).diagnoses  # fmt: skip

    assert (diagnosis.abated.text if diagnosis.abated else None) == abated


def test_two_copies_that_differ_and_do_not_say_which_is_newer_are_named() -> None:
    copies = [about("Condition", "c", code=coded("x", code)) for code in ("a", "b")]

    records = [read(*copies), read(*reversed(copies))]

    assert records[0].diagnoses == records[1].diagnoses
    assert [issue.kind for issue in records[0].issues] == [IssueKind.IMPRECISE]


def test_questions_nested_too_deeply_to_be_read_are_named() -> None:
    item: JSON = {"linkId": "1-8", "answer": [{"valueInteger": 1}]}
    for _ in range(13):
        item = {"linkId": "group", "item": [item]}

    record = read(about("QuestionnaireResponse", "q", status="completed", item=[item]))

    assert [issue.kind for issue in record.issues] == [IssueKind.UNREADABLE]


def test_a_patient_without_id_is_the_patient_in_context() -> None:
    nameless = {key: value for key, value in patient().items() if key != "id"}
    conditions = {"resourceType": "Bundle", "entry": [{"resource": about("Condition", "c", code=coded("x", "a"))}]}

    record = prefetch({"patient": nameless, "conditions": conditions}, {})

    assert (record.patient.reference, record.patient.sex, len(record.diagnoses)) == ("Patient/p1", "female", 1)


@pytest.mark.parametrize("in_context", ["p1", "Patient/p1"])
def test_the_id_in_context_may_name_its_type(in_context: str) -> None:
    assert prefetch({"patient": patient()}, {}, in_context).patient.reference == "Patient/p1"
    with pytest.raises(WrongPatientError):
        prefetch({"patient": patient(id="p2")}, {}, in_context)


def test_an_id_may_be_referred_to_as_a_urn() -> None:
    assert len(read(about("Condition", "c", subject={"reference": "urn:uuid:p1"})).diagnoses) == 1
    with pytest.raises(WrongPatientError):
        read(about("Condition", "c", subject={"reference": "urn:uuid:p2"}))
