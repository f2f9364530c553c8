"""Drug histories, switches, index days and counts of diagnoses, from FHIR to the answer."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from cds.decide import Decision, decide, index_day
from cds.engine.evaluator import EvaluatorMode
from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.shipped import shipped_rules

TODAY = date(2026, 6, 1)
START = date(2025, 1, 1)
RULES = shipped_rules(EvaluatorMode.DIRECT, ("all",))
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CODES = {"sertraline": "36437", "venlafaxine": "39786", "mirtazapine": "15996", "opipramol": "7674"}


def medication(kind: str, drug: str, day: int | None, number: int, **more: Any) -> dict[str, Any]:
    when = (START + timedelta(day)).isoformat() if day is not None else None
    told = {"coding": [{"system": RXNORM, "code": CODES[drug], "display": drug}]} if drug in CODES else {"text": drug}
    resource: dict[str, Any] = {
        "resourceType": kind, "id": f"{kind}-{number}", "status": "completed", "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": told,
    }  # fmt: skip
    if kind == "MedicationRequest":
        resource |= {"intent": "order", **({"authoredOn": when} if when else {})}
    elif kind == "MedicationDispense":
        resource |= {"whenHandedOver": when} if when else {}
    else:
        resource |= {"effectiveDateTime": when} if when else {}
    return resource | more


def supply(days: int, refills: int = 0) -> dict[str, Any]:
    duration = {"value": days, "system": "http://unitsofmeasure.org", "code": "d"}
    return {"dispenseRequest": {"numberOfRepeatsAllowed": refills, "expectedSupplyDuration": duration}}


def decided(*resources: dict[str, Any]) -> Decision:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    depression = {
        "resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}]},
        "onsetDateTime": START.isoformat(),
    }  # fmt: skip
    entries = [{"resource": resource} for resource in (patient, depression, *resources)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    record, _ = read_record(json.dumps(bundle).encode(), RULES, Settings())
    return decide(RULES, record, TODAY)


def history(*resources: dict[str, Any]) -> Fact:
    return decided(*resources).facts["antidepressant_history"]


def three(kind: str, **more: Any) -> list[dict[str, Any]]:
    drugs = ("sertraline", "venlafaxine", "mirtazapine")
    return [medication(kind, drug, 60 * number, number, **more) for number, drug in enumerate(drugs)]


@pytest.mark.parametrize("kind", ["MedicationRequest", "MedicationDispense"])
def test_orders_or_fills_alone_are_a_whole_history(kind: str) -> None:
    fact = history(*three(kind))

    assert (fact.low, fact.high) == (3, 3)


def test_nothing_that_was_sent_leaves_any_number_open() -> None:
    fact = history()

    assert (fact.low, fact.high) == (0, float("inf"))
    assert decided().truths["ohdsi_1009"] is Truth.UNKNOWN


def test_a_medication_nobody_can_read_may_be_one_more_drug() -> None:
    fact = history(*three("MedicationRequest"), medication("MedicationRequest", "study drug", 10, 9))

    assert (fact.low, fact.high) == (3, 4)


def test_a_drug_of_another_kind_is_none_of_them() -> None:
    fact = history(*three("MedicationRequest"), medication("MedicationRequest", "metformin", 10, 9))

    assert (fact.low, fact.high) == (3, 3)


def test_a_drug_of_the_definition_alone_counts_there_alone() -> None:
    decision = decided(medication("MedicationRequest", "opipramol", 0, 1))

    assert decision.facts["ohdsi_antidepressants"].low == 1
    assert decision.facts["antidepressant_history"].high == 0
    assert not decision.facts["antidepressant_trials"].trials


def test_an_order_without_an_end_or_a_supply_leaves_the_length_of_its_era_open() -> None:
    first, second, _ = three("MedicationRequest")
    late = medication("MedicationRequest", "mirtazapine", 440, 3, **supply(30))
    depressed = {
        "resourceType": "Condition", "id": "d", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}]},
        "onsetDateTime": "2026-01-01",
    }  # fmt: skip

    # Ordered 440 and 380 days before the third: whether they were still taken within 365 days is not known.
    assert decided(first, second, late, depressed).truths["ohdsi_1009"] is Truth.UNKNOWN
    ended = [{**one, **supply(10)} for one in (first, second)]
    assert decided(*ended, late, depressed).truths["ohdsi_1009"] is Truth.FALSE


def test_fills_with_their_days_of_supply_have_an_index_day() -> None:
    decision = decided(*three("MedicationDispense", daysSupply={"value": 30, "code": "d"}))
    (published,) = [one for one in RULES.program.published if one.id == "ohdsi-1009"]

    assert decision.truths["ohdsi_1009"] is Truth.TRUE
    assert index_day(published, decision) == START + timedelta(120)


def test_refills_an_order_allows_leave_switches_open_unless_the_fills_came() -> None:
    orders = three("MedicationRequest", **supply(30, refills=5))
    fills = three("MedicationDispense")

    ordered = decided(*orders).facts["biobank_switches"]
    filled = decided(*orders, *fills).facts["biobank_switches"]

    assert (ordered.low, ordered.high) == (0, 11)
    assert (filled.low, filled.high) == (2, 2)


def test_a_statement_is_about_the_drug_that_was_ordered_and_else_may_be_anything() -> None:
    orders = three("MedicationRequest")
    same = medication("MedicationStatement", "sertraline", 5, 8)
    other = medication("MedicationStatement", "bupropion", 5, 9)

    assert decided(*orders, same).facts["biobank_switches"].high == 2
    assert decided(*orders, other).facts["biobank_switches"].high == 5


def test_an_order_of_unknown_status_is_possible_only() -> None:
    orders = [{**order, "status": "unknown"} for order in three("MedicationRequest")]

    assert (history(*orders).low, history(*orders).high) == (0, 3)


def test_an_order_to_come_is_none() -> None:
    fact = history(*three("MedicationRequest"), medication("MedicationRequest", "bupropion", 900, 9))

    assert fact.high == 3


def test_the_day_of_a_count_is_that_on_which_it_was_reached() -> None:
    decision = decided(*three("MedicationRequest"))
    by_id = {one.id: one for one in RULES.program.published}

    assert index_day(by_id["two-biobank-1"], decision) == START + timedelta(60)
    assert index_day(by_id["two-biobank-2"], decision) == START + timedelta(120)
    assert index_day(by_id["fda-label"], decision) is None


def test_the_earliest_of_several_routes_is_the_day() -> None:
    augmented = medication("MedicationRequest", "quetiapine", 20, 9, **supply(30))
    orders = three("MedicationRequest", **supply(60))
    by_id = {one.id: one for one in RULES.program.published}

    assert index_day(by_id["bmc-2026-2-augmentation"], decided(*orders, augmented)) == START + timedelta(20)
