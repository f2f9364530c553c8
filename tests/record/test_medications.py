from __future__ import annotations

from typing import Any

import pytest

from cds.record.dates import read_date
from cds.record.model import Exposure, ExposureKind, IssueKind
from tests.record.fhir import JSON, about, coded, order, read


def one(resource: JSON, *others: JSON) -> Exposure:
    (exposure,) = read(resource, *others).exposures
    return exposure


def dosed(**dosage: Any) -> JSON:
    return order(dosageInstruction=[dosage])


def daily(value: float, unit: str = "mg", **repeat: Any) -> JSON:
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"} | repeat}
    return {"doseAndRate": [{"doseQuantity": {"value": value, "code": unit}}], "timing": timing}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "entered-in-error"},
        {"status": "draft"},
        {"status": "cancelled"},
        {"intent": "proposal"},
        {"intent": "option"},
        {"doNotPerform": True},
    ],
)
def test_an_order_that_was_never_acted_on_is_no_exposure(changes: JSON) -> None:
    assert read(order(**changes)).exposures == ()


@pytest.mark.parametrize(
    ("changes", "doubtful"), [({}, False), ({"status": "unknown"}, True), ({"intent": None}, True)]
)
def test_an_order_of_unknown_status_or_intent_is_doubtful(changes: JSON, doubtful: bool) -> None:
    assert one(order(**changes)).doubtful is doubtful


def test_bounds_of_the_instruction_come_before_validity_and_validity_before_the_date_of_the_order() -> None:
    valid: JSON = {"dispenseRequest": {"validityPeriod": {"start": "2025-03-01", "end": "2025-04-01"}}}
    bounds = daily(50, boundsPeriod={"start": "2025-05-01", "end": "2025-06-01"})

    plain, validity, bounded = (
        one(order()),
        one(order(**valid)),
        one(order(**valid, dosageInstruction=[bounds])),
    )

    assert [e.start.text for e in (plain, validity, bounded) if e.start] == ["2025-02-01", "2025-03-01", "2025-05-01"]
    assert [e.end.text if e.end else None for e in (plain, validity, bounded)] == [None, "2025-04-01", "2025-06-01"]
    assert [e.open_ended for e in (plain, validity, bounded)] == [True, False, False]


def test_bounds_may_be_a_duration_both_days_included() -> None:
    exposure = one(dosed(**daily(50, boundsDuration={"value": 6, "code": "wk"})))

    assert exposure.end is not None
    assert exposure.end.text == "2025-03-14"


def test_titration_steps_keep_their_own_bounds() -> None:
    steps = [
        daily(25, boundsPeriod={"start": "2025-02-01", "end": "2025-02-14"}),
        daily(50, boundsPeriod={"start": "2025-02-15", "end": "2025-04-30"}),
    ]

    exposure = one(order(dosageInstruction=steps))

    assert [(sig.low, sig.start.text, sig.end.text) for sig in exposure.sigs if sig.start and sig.end] == [
        (25, "2025-02-01", "2025-02-14"),
        (50, "2025-02-15", "2025-04-30"),
    ]
    assert (exposure.start, exposure.end) == (exposure.sigs[0].start, exposure.sigs[1].end)


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        ({"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, (2, 2)),
        ({"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}, (3, 3)),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}, (1 / 7, 1 / 7)),
        ({"repeat": {"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"}}, (1, 2)),
        ({"repeat": {"period": 1, "periodUnit": "d"}}, (1, 1)),
        ({"repeat": {"timeOfDay": ["08:00:00", "20:00:00"]}}, (2, 2)),
        ({"repeat": {"when": ["MORN"]}}, (1, 1)),
        ({"code": {"coding": [{"code": "BID"}]}}, (2, 2)),
        ({"code": {"text": "QD"}}, (1, 1)),
        ({"code": {"text": "now and then"}}, (None, None)),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "fortnight"}}, (None, None)),
        ({"repeat": {"frequency": 100, "period": 1, "periodUnit": "d"}}, (None, None)),
        (None, (None, None)),
    ],
)
def test_how_often_a_drug_is_taken_is_times_a_day(
    timing: JSON | None, times: tuple[float | None, float | None]
) -> None:
    (sig,) = one(dosed(timing=timing)).sigs

    assert (sig.times_a_day_low, sig.times_a_day_high) == pytest.approx(times)


@pytest.mark.parametrize(
    ("dose", "amount"),
    [
        ({"doseQuantity": {"value": 50, "unit": "milligram", "code": "mg"}}, (50, 50, "mg")),
        ({"doseQuantity": {"value": 50, "unit": "mg"}}, (50, 50, "mg")),
        ({"doseQuantity": {"value": 225}}, (225, 225, "")),
        (
            {"doseRange": {"low": {"value": 1, "unit": "tablet"}, "high": {"value": 2, "unit": "tablet"}}},
            (1, 2, "tablet"),
        ),
        ({"doseQuantity": {"value": -50, "code": "mg"}}, (None, None, "")),
        ({}, (None, None, "")),
    ],
)
def test_the_amount_is_taken_as_written(dose: JSON, amount: tuple[float | None, float | None, str]) -> None:
    (sig,) = one(dosed(doseAndRate=[dose])).sigs

    assert (sig.low, sig.high, sig.unit) == amount


@pytest.mark.parametrize("member", [{"asNeededBoolean": True}, {"asNeededCodeableConcept": {"text": "pain"}}])
def test_as_needed_is_kept(member: JSON) -> None:
    (sig,) = one(dosed(**daily(50), **member)).sigs

    assert sig.as_needed


def test_a_contained_medication_and_a_lost_one() -> None:
    pointing = order(
        medicationCodeableConcept=None,
        contained=[{"resourceType": "Medication", "id": "in", "code": {"text": "Inside"}}],
        medicationReference={"reference": "#in"},
    )
    lost = order(
        "m2", medicationCodeableConcept=None, medicationReference={"reference": "Medication/x", "display": "Named"}
    )
    nothing = order("m3", medicationCodeableConcept=None)

    record = read(pointing, lost, nothing)

    assert {e.source: e.drug.words for e in record.exposures} == {
        "MedicationRequest/m1": "Inside",
        "MedicationRequest/m2": "Named",
        "MedicationRequest/m3": "",
    }
    assert [issue.kind for issue in record.issues] == [IssueKind.NOT_FOUND, IssueKind.NOT_FOUND]


def test_the_r5_shape_of_medication_is_read() -> None:
    drug = {"resourceType": "Medication", "id": "d1", "code": {"text": "Referred"}}

    assert one(order(medicationCodeableConcept=None, medication={"concept": {"text": "Direct"}})).drug.text == "Direct"
    referred = order(medicationCodeableConcept=None, medication={"reference": {"reference": "Medication/d1"}})
    assert one(referred, drug).drug.text == "Referred"


def test_a_stop_reason_counts_only_when_the_order_is_not_active() -> None:
    reason: JSON = {"statusReason": {"text": "no response"}}

    assert one(order(status="stopped", **reason)).stopped_for is not None
    assert one(order(**reason)).stopped_for is None


def test_a_condition_an_order_refers_to_is_a_reason_unless_it_is_wrong() -> None:
    pain = about("Condition", "c1", code=coded("x", "pain"))
    refuted = about("Condition", "c2", code=coded("x", "other")) | {
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "refuted")
    }
    by_url = {"fullUrl": "urn:uuid:1", "resource": about("Condition", "c3", code=coded("x", "sleep"))}
    references = [{"reference": name} for name in ("Condition/c1", "Condition/c2", "urn:uuid:1", "Condition/c9")]

    (exposure,) = read(pain, refuted, by_url, order(reasonReference=references)).exposures

    assert [reason.codings[0].code for reason in exposure.reasons] == ["pain", "sleep"]


def test_the_number_of_an_order_is_read_and_never_stops_it_from_being_read() -> None:
    numbered = one(order(identifier=[{"system": "orders", "value": "7"}, {"value": "8"}, None, "x"]))

    assert numbered.numbers == (("orders", "7"),)
    assert one(order(identifier={"value": 7})).numbers == ()


def test_supply_and_refills_of_an_order() -> None:
    dispense = {"numberOfRepeatsAllowed": 2, "expectedSupplyDuration": {"value": 1, "code": "mo"}}
    exposure = one(order(dispenseRequest=dispense | {"quantity": {"value": 30, "unit": "tablet"}}))

    assert (exposure.fills, exposure.quantity, exposure.quantity_unit) == (3, 30, "tablet")
    assert exposure.supply_days == pytest.approx(30.4375)


@pytest.mark.parametrize("value", [0, -3, 5000])
def test_an_impossible_supply_is_unreadable(value: float) -> None:
    record = read(order(dispenseRequest={"expectedSupplyDuration": {"value": value, "code": "d"}}))

    assert record.exposures[0].supply_days is None
    assert record.issues[0].kind is IssueKind.IMPLAUSIBLE


def test_fills_statements_and_administrations_are_exposures_too() -> None:
    drug = {"medicationCodeableConcept": {"text": "Drug"}}
    record = read(
        about(
            "MedicationDispense", "d", status="completed", whenHandedOver="2025-02-01", daysSupply={"value": 30}, **drug
        ),
        about("MedicationStatement", "s", status="active", effectivePeriod={"start": "2025-02-02"}, **drug),
        about(
            "MedicationAdministration", "a", status="completed", effectiveDateTime="2025-02-03T10:00:00Z",
            dosage={"dose": {"value": 28, "code": "mg"}}, **drug,
        ),
    )  # fmt: skip

    dispense, statement, administration = record.exposures
    assert (dispense.supply_days, dispense.open_ended) == (30, False)
    assert (statement.open_ended, statement.end) == (True, None)
    assert administration.start == administration.end
    assert administration.sigs[0].low == 28


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("MedicationDispense", "cancelled"),
        ("MedicationDispense", "entered-in-error"),
        ("MedicationStatement", "not-taken"),
        ("MedicationStatement", "intended"),
        ("MedicationAdministration", "not-done"),
    ],
)
def test_what_was_not_taken_is_no_exposure(kind: str, status: str) -> None:
    assert read(about(kind, "x", status=status, medicationCodeableConcept={"text": "Drug"})).exposures == ()


def test_a_plan_is_what_somebody_says_is_taken() -> None:
    """US Core self-reported medicines, DoseSpot and GP Connect send a plan; it is a possible statement."""
    exposure = one(order(intent="plan"))

    assert (exposure.kind, exposure.doubtful, exposure.source) == (ExposureKind.STATEMENT, True, "MedicationRequest/m1")


HERE, ELSEWHERE = "https://ehr.example/fhir", "https://other.example/r4"


def pointing(reference: str) -> JSON:
    return order("m1", medicationCodeableConcept=None, medicationReference={"reference": reference})


def drug_at(server: str, name: str) -> JSON:
    return at(server, {"resourceType": "Medication", "id": "d", "code": {"text": name}})


def at(server: str, resource: JSON) -> JSON:
    return {"fullUrl": f"{server}/{resource['resourceType']}/{resource['id']}", "resource": resource}


@pytest.mark.parametrize(
    ("entries", "drug"),
    [
        ([drug_at(HERE, "Here"), at(HERE, pointing(f"{HERE}/Medication/d"))], "Here"),
        ([drug_at(HERE, "Here"), at(HERE, pointing(f"{HERE}/Medication/d/_history/2"))], "Here"),
        ([drug_at(HERE, "Here"), at(HERE, pointing(f"{ELSEWHERE}/Medication/d"))], ""),
        (
            [drug_at(HERE, "Here"), drug_at(ELSEWHERE, "There"), at(HERE, pointing(f"{ELSEWHERE}/Medication/d"))],
            "There",
        ),
        ([drug_at(HERE, "Here"), drug_at(ELSEWHERE, "There"), at(HERE, pointing("Medication/d"))], "Here"),
        ([drug_at(ELSEWHERE, "There"), at(HERE, pointing("Medication/d"))], ""),
        ([drug_at(HERE, "Here"), pointing("Medication/d")], "Here"),
        ([drug_at(HERE, "Here")["resource"], pointing(f"{ELSEWHERE}/Medication/d")], ""),
        ([drug_at(HERE, "Here")["resource"], at(HERE, pointing("Medication/d"))], "Here"),
        ([drug_at(HERE, "Here"), drug_at(ELSEWHERE, "There"), pointing("Medication/d")], ""),
    ],
)
def test_a_medication_of_another_server_is_another_one(entries: list[JSON], drug: str) -> None:
    assert one(*entries).drug.words == drug


def test_a_reason_on_another_server_is_another_condition() -> None:
    pain = at(HERE, about("Condition", "c1", code={"text": "Pain"}))
    said = [at(HERE, order(reasonReference=[{"reference": f"{server}/Condition/c1"}])) for server in (HERE, ELSEWHERE)]

    assert [[reason.words for reason in one(pain, order_).reasons] for order_ in said] == [["Pain"], []]


def claim(**changes: Any) -> JSON:
    said: JSON = {
        "resourceType": "ExplanationOfBenefit", "id": "e1", "patient": {"reference": "Patient/p1"},
        "status": "active", "use": "claim",
        "type": coded("http://terminology.hl7.org/CodeSystem/claim-type", "pharmacy"),
        "created": "2025-02-03",
        "supportingInfo": [
            {
                "category": coded("http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBSupportingInfoType", "dayssupply"),
                "valueQuantity": {"value": 30},
            }
        ],
        "item": [{"productOrService": {"text": "Drug 20 mg"}, "servicedDate": "2025-02-01", "quantity": {"value": 60}}],
    }  # fmt: skip
    return said | changes


def test_a_pharmacy_claim_shows_a_supply() -> None:
    exposure = one(claim())

    assert (exposure.drug.words, exposure.supply_days, exposure.quantity) == ("Drug 20 mg", 30, 60)
    assert (exposure.start, exposure.end) == (read_date("2025-02-01").span, read_date("2025-03-02").span)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "cancelled"},
        {"use": "preauthorization"},
        {"type": coded("http://terminology.hl7.org/CodeSystem/claim-type", "institutional")},
    ],
)
def test_another_claim_is_no_supply(changes: JSON) -> None:
    assert read(claim(**changes)).exposures == ()


def test_a_pharmacy_claim_nobody_can_read_may_be_any_drug() -> None:
    record = read(claim(item="sertraline"))

    assert [exposure.drug.words for exposure in record.exposures] == [""]
    assert record.issues[0].kind is IssueKind.UNREADABLE


def test_days_of_supply_of_several_lines_are_nobodys() -> None:
    lines = [{"productOrService": {"text": name}} for name in ("One", "Two")]

    assert {exposure.supply_days for exposure in read(claim(item=lines)).exposures} == {None}
