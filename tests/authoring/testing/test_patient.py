"""Each element of the shorthand gives the FHIR an EHR would send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib import import_module
from typing import Any

import pytest

from cds.authoring.testing.fhir_writer import bundle_of, prefetch_of, request_of
from cds.authoring.testing.patient_format import ExamplePatient
from cds.authoring.testing.resource_writer import UCUM, FhirWriterError
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import ATC, ICD10CM, LOINC, RXNORM, SNOMED

One = Callable[..., dict[str, Any]]
Sent = Callable[..., list[dict[str, Any]]]

TODAY = date(2026, 6, 1)
TRIAL = {"mg_a_day": 150, "from": "2025-05-10", "to": "2025-08-31"}


@pytest.fixture
def sent(codes: TerminologyIndex) -> Any:
    """Resources of one type that a shorthand patient is sent as."""

    def send(kind: str, **shorthand: Any) -> list[dict[str, Any]]:
        bundle = bundle_of(ExamplePatient.model_validate(shorthand), TODAY, codes)
        return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]

    return send


@pytest.fixture
def one(sent: Sent) -> Any:
    def send(kind: str, **shorthand: Any) -> dict[str, Any]:
        (resource,) = sent(kind, **shorthand)
        return resource

    return send


def taking(**more: Any) -> dict[str, Any]:
    return {"venlafaxine": TRIAL | more}


def code_of(concept: dict[str, Any]) -> tuple[str, str]:
    return concept["coding"][0]["system"], concept["coding"][0]["code"]


# ---------------------------------------------------------------- who


@pytest.mark.parametrize("age, born", [(46, "1980-06-01"), (18, "2008-06-01"), (0, "2026-06-01")])
def test_an_age_is_a_birthday_today(one: One, age: Any, born: str) -> None:
    assert one("Patient", age=age)["birthDate"] == born


def test_a_birth_date_can_be_partial_or_not_recorded(one: One) -> None:
    assert one("Patient", birth_date="1980")["birthDate"] == "1980"
    assert "birthDate" not in one("Patient", birth_date="not_recorded")
    assert "birthDate" not in one("Patient")


def test_sex_and_death_are_sent_when_given(one: One) -> None:
    assert one("Patient", sex="female")["gender"] == "female"
    assert one("Patient", died=True)["deceasedBoolean"] is True
    assert one("Patient", died="2026-05")["deceasedDateTime"] == "2026-05"
    assert not {"gender", "deceasedBoolean"} & set(one("Patient"))


# ---------------------------------------------------------------- diagnoses, allergies, procedures


def test_the_name_of_a_value_set_stands_for_its_first_code(one: One) -> None:
    condition = one("Condition", conditions=["major-depressive-disorder"])

    assert code_of(condition["code"]) == (ICD10CM, "F33.1")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"
    assert condition["verificationStatus"]["coding"][0]["code"] == "confirmed"


def test_a_value_set_of_roots_or_words_stands_for_its_first_root_or_words(one: One) -> None:
    assert code_of(one("Condition", conditions=["bipolar-disorder"])["code"]) == (ICD10CM, "F31")
    assert one("Condition", conditions=["words-only"])["code"] == {"text": "lack of efficacy"}


def test_a_diagnosis_says_all_it_was_given(one: One) -> None:
    condition = one(
        "Condition",
        conditions=[
            {
                "code": "F33.1", "text": "Depression", "status": "resolved", "verification": "refuted",
                "onset": "2025-01-10", "abated": "2025-12", "recorded": "1 day ago", "category": "problem_list",
            }
        ],
    )  # fmt: skip

    assert condition["code"]["text"] == "Depression"
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert condition["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert (condition["onsetDateTime"], condition["abatementDateTime"]) == ("2025-01-10", "2025-12")
    assert condition["recordedDate"] == "2026-05-31"
    assert condition["category"][0]["coding"][0]["code"] == "problem-list-item"


def test_a_code_has_the_system_that_is_named(one: One) -> None:
    condition = one("Condition", conditions=[{"code": "35489007", "system": "snomed"}])
    assert code_of(condition["code"]) == (SNOMED, "35489007")


def test_what_was_entered_in_error_has_no_clinical_status(one: One) -> None:
    assert "clinicalStatus" not in one("Condition", conditions=[{"code": "F33.1", "verification": "entered-in-error"}])


def test_a_status_that_is_not_recorded_is_not_sent(one: One) -> None:
    condition = one(
        "Condition", conditions=[{"code": "F33.1", "status": "not_recorded", "verification": "not_recorded"}]
    )
    assert not {"clinicalStatus", "verificationStatus"} & set(condition)


def test_an_allergy_names_its_substance(one: One) -> None:
    allergy = one(
        "AllergyIntolerance", allergies=[{"coded": "ketamine-substances", "status": "resolved", "type": "allergy"}]
    )

    assert code_of(allergy["code"]) == (RXNORM, "6130")
    assert allergy["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert allergy["type"] == "allergy"


def test_a_procedure_on_several_days_is_several_procedures(sent: Sent) -> None:
    done = sent("Procedure", procedures=[{"text": "Ketamine infusion", "on": ["2026-03-02", "2026-03-05", "2026-03"]}])
    assert [procedure["performedDateTime"] for procedure in done] == ["2026-03-02", "2026-03-05", "2026-03"]


def test_a_procedure_can_last(one: One) -> None:
    done = one("Procedure", procedures=[{"code": "23835007", "from": "2026-03-02", "to": "2026-04-02"}])
    assert done["performedPeriod"] == {"start": "2026-03-02", "end": "2026-04-02"}


def test_a_relative_s_diagnosis_is_the_relative_s(sent: Sent) -> None:
    (relative,) = sent("FamilyMemberHistory", family_history=[{"code": "I67.1", "relationship": "mother"}])

    assert relative["relationship"]["coding"][0]["code"] == "MTH"
    assert sent("Condition", family_history=[{"code": "I67.1"}]) == []


def test_a_referral_is_a_service_request(one: One) -> None:
    referral = one("ServiceRequest", referrals=[{"text": "Psychiatry", "on": "2 weeks ago", "status": "completed"}])
    assert (referral["status"], referral["authoredOn"]) == ("completed", "2026-05-18")


# ---------------------------------------------------------------- observations


def test_a_score_is_a_quantity_of_score_points(one: One) -> None:
    score = one("Observation", scores=[{"phq-9-total": 17, "at": "10 days ago"}])

    assert code_of(score["code"]) == (LOINC, "44261-6")
    assert (score["valueQuantity"]["value"], score["valueQuantity"]["code"]) == (17, "{score}")
    assert (score["effectiveDateTime"], score["status"]) == ("2026-05-22", "final")


def test_a_score_without_a_value_says_that_it_is_absent(one: One) -> None:
    score = one("Observation", scores=[{"phq-9-total": None, "at": "today"}])
    assert score["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_a_score_can_be_a_bare_number_or_not_final(one: One) -> None:
    score = one(
        "Observation", scores=[{"phq-9-total": 17, "at": "today", "unit": "none", "status": "entered-in-error"}]
    )
    assert (score["valueInteger"], score["status"]) == (17, "entered-in-error")


@pytest.mark.parametrize(
    "answer, value",
    [
        ({"phq-9-item-9": 2}, {"valueInteger": 2}),
        (
            {"phq-9-item-9": 2, "as": "code"},
            {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA6570-1"}]}},
        ),
        ({"phq-9-item-9": "LA6570-1"}, {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA6570-1"}]}}),
    ],
)
def test_an_answer_is_a_number_or_its_code(one: One, answer: Any, value: Any) -> None:
    observation = one("Observation", answers=[answer | {"at": "2026-05-30"}])
    assert value.items() <= observation.items()


def test_an_answer_can_be_a_quantity(one: One) -> None:
    observation = one("Observation", answers=[{"phq-9-item-9": 2, "as": "quantity", "at": "today"}])
    assert observation["valueQuantity"]["code"] == "{score}"


def test_a_blood_pressure_is_one_panel_with_two_components(one: One) -> None:
    panel = one("Observation", blood_pressure=[{"systolic": 122, "diastolic": 78, "at": "2026-05-20"}])

    values = {code_of(part["code"])[1]: part["valueQuantity"]["value"] for part in panel["component"]}
    assert values == {"8480-6": 122, "8462-4": 78}
    assert code_of(panel["code"]) == (LOINC, "85354-9")
    assert panel["component"][0]["valueQuantity"]["code"] == "mm[Hg]"


def test_a_blood_pressure_can_be_two_observations_and_half_missing(sent: Sent) -> None:
    both = sent("Observation", blood_pressure=[{"systolic": 122, "at": "2026-05-20", "as": "two_observations"}])

    assert both[0]["valueQuantity"]["value"] == 122
    assert "dataAbsentReason" in both[1]


@pytest.mark.parametrize(
    "entry, value",
    [
        ({"value": 5, "unit": "kg"}, {"valueQuantity": {"value": 5, "unit": "kg", "system": UCUM, "code": "kg"}}),
        ({"value": 5}, {"valueInteger": 5}),
        ({"value": "positive"}, {"valueString": "positive"}),
        ({"answer": {"code": "LA33-6"}}, {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA33-6"}]}}),
    ],
)  # fmt: skip
def test_any_observation_can_be_described(one: One, entry: Any, value: Any) -> None:
    observation = one("Observation", observations=[{"code": "82810-3", "at": "today"} | entry])
    assert value.items() <= observation.items()


def test_a_bound_keeps_its_comparator(one: One) -> None:
    entry = {"code": "82810-3", "at": "today", "value": 5, "unit": "mg", "comparator": "<"}
    assert one("Observation", observations=[entry])["valueQuantity"]["comparator"] == "<"


# ---------------------------------------------------------------- medications


def test_a_drug_is_its_ingredient_s_code_with_its_dose_and_days(one: One) -> None:
    request = one("MedicationRequest", took=taking())
    (dosage,) = request["dosageInstruction"]

    assert code_of(request["medicationCodeableConcept"]) == (RXNORM, "39786")
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 150
    assert dosage["doseAndRate"][0]["doseQuantity"]["code"] == "mg"
    assert dosage["timing"]["repeat"] == {
        "frequency": 1, "period": 1, "periodUnit": "d",
        "boundsPeriod": {"start": "2025-05-10", "end": "2025-08-31"},
    }  # fmt: skip
    assert (request["status"], request["intent"], request["authoredOn"]) == ("completed", "order", "2025-05-10")


def test_a_drug_without_rxnorm_has_its_atc_code_and_without_either_its_name(one: One) -> None:
    moclobemide = one("MedicationRequest", took={"moclobemide": TRIAL})["medicationCodeableConcept"]
    zuranolone = one("MedicationRequest", took={"zuranolone": TRIAL})["medicationCodeableConcept"]

    assert code_of(moclobemide) == (ATC, "N06AG02")
    assert zuranolone == {"text": "zuranolone"}


@pytest.mark.parametrize(
    "which, concept",
    [
        ({"product": "313989"}, {"coding": [{"system": RXNORM, "code": "313989"}]}),
        ({"text": "Venlafaxine XR 150"}, {"text": "Venlafaxine XR 150"}),
        ({"code": "N06AX16", "system": "atc"}, {"coding": [{"system": ATC, "code": "N06AX16"}]}),
        ({"coded": "ketamine-substances"}, {"coding": [{"system": RXNORM, "code": "6130", "display": "ketamine"}]}),
        (
            {"drug": "sertraline"},
            {"coding": [{"system": RXNORM, "code": "36437", "display": "sertraline"}], "text": "sertraline"},
        ),
    ],
)  # fmt: skip
def test_a_drug_can_be_named_in_other_ways(one: One, which: Any, concept: Any) -> None:
    assert one("MedicationRequest", took={"second": TRIAL | which})["medicationCodeableConcept"] == concept


@pytest.mark.parametrize(
    "length, end",
    [("35 days", "2025-06-13"), ("41 days", "2025-06-19"), ("42 days", "2025-06-20"), ("12 weeks", "2025-08-01")],
)
def test_for_counts_both_end_days(one: One, length: str, end: str) -> None:
    trial = {"mg_a_day": 150, "from": "2025-05-10", "for": length}
    request = one("MedicationRequest", took={"venlafaxine": trial})
    assert request["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]["end"] == end


def test_what_goes_on_is_active_without_an_end(one: One) -> None:
    request = one("MedicationRequest", took={"sertraline": {"mg_a_day": 100, "from": "2025-10-01", "ongoing": True}})

    assert request["status"] == "active"
    assert request["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] == {"start": "2025-10-01"}


@pytest.mark.parametrize(
    "reason, concept",
    [
        (
            "treatment-ineffective",
            {"coding": [{"system": SNOMED, "code": "266711005", "display": "Stopped, ineffective"}]},
        ),
        ({"text": "nausea"}, {"text": "nausea"}),
        ({"code": "405177001", "system": "snomed"}, {"coding": [{"system": SNOMED, "code": "405177001"}]}),
    ],
)
def test_a_stop_reason_is_coded_or_in_words_and_makes_it_stopped(one: One, reason: Any, concept: Any) -> None:
    request = one("MedicationRequest", took=taking(stopped_for=reason))
    assert (request["status"], request["statusReason"]) == ("stopped", concept)


def test_status_intent_reasons_and_order_day_can_be_said(one: One) -> None:
    request = one(
        "MedicationRequest",
        took=taking(
            status="entered-in-error",
            intent="plan",
            authored="2025-05-01",
            reasons=[{"code": "G43.909"}, {"text": "migraine"}],
        ),
    )

    assert (request["status"], request["intent"], request["authoredOn"]) == ("entered-in-error", "plan", "2025-05-01")
    assert [code_of(request["reasonCode"][0]), request["reasonCode"][1]] == [(ICD10CM, "G43.909"), {"text": "migraine"}]


def test_an_unknown_dose_leaves_only_the_days(one: One) -> None:
    (dosage,) = one("MedicationRequest", took=taking(mg_a_day="unknown"))["dosageInstruction"]
    assert dosage == {"timing": {"repeat": {"boundsPeriod": {"start": "2025-05-10", "end": "2025-08-31"}}}}


@pytest.mark.parametrize(
    "dose, amount, rhythm",
    [
        ({"value": 0.225, "unit": "g", "times_a_day": 1}, {"value": 0.225, "code": "g"}, (1, 1, "d")),
        (
            {"value": 2, "unit": "tablet", "times_a_day": 2},
            {"value": 2, "unit": "tablet", "code": "{tablet}"},
            (2, 1, "d"),
        ),
        ({"value": 1, "unit": "capsule", "every": "1 week"}, {"value": 1}, (1, 1, "wk")),
        ({"value": 225, "times_a_day": 0.5}, {"value": 225}, (1, 2, "d")),
    ],
)
def test_a_dose_is_so_much_so_often(one: One, dose: Any, amount: Any, rhythm: Any) -> None:
    took = {"venlafaxine": {"from": "2025-05-10", "to": "2025-08-31", "dose": dose}}
    (dosage,) = one("MedicationRequest", took=took)["dosageInstruction"]
    repeat = dosage["timing"]["repeat"]

    assert amount.items() <= dosage["doseAndRate"][0]["doseQuantity"].items()
    assert (repeat["frequency"], repeat["period"], repeat["periodUnit"]) == rhythm


def test_a_dose_without_a_unit_has_none(one: One) -> None:
    took = {"venlafaxine": {"from": "2025-05-10", "to": "2025-08-31", "dose": {"value": 225, "times_a_day": 1}}}
    (dosage,) = one("MedicationRequest", took=took)["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseQuantity"] == {"value": 225}


def test_a_dose_without_a_rhythm_has_none(one: One) -> None:
    took = {"venlafaxine": {"from": "not_recorded", "to": "not_recorded", "dose": {"value": 225, "unit": "mg"}}}
    request = one("MedicationRequest", took=took)

    assert request["status"] == "stopped"
    assert request["dosageInstruction"] == [
        {"doseAndRate": [{"doseQuantity": {"value": 225, "unit": "mg", "system": UCUM, "code": "mg"}}]}
    ]


def test_nothing_known_of_dose_and_days_is_no_instruction(one: One) -> None:
    request = one("MedicationRequest", took={"venlafaxine": {"from": "not_recorded", "to": "not_recorded"}})
    assert not {"dosageInstruction", "authoredOn"} & set(request)


def test_a_dispense_that_goes_on_lasts_until_today(one: One) -> None:
    took = {"sertraline": {"mg_a_day": 50, "from": "2026-05-01", "ongoing": True, "as": "dispense"}}
    dispense = one("MedicationDispense", took=took)
    assert (dispense["status"], dispense["daysSupply"]["value"]) == ("completed", 32)


def test_as_needed_is_said(one: One) -> None:
    (dosage,) = one("MedicationRequest", took=taking(as_needed=True))["dosageInstruction"]
    assert dosage["asNeededBoolean"] is True


def test_steps_follow_each_other_without_a_gap(one: One) -> None:
    steps = [{"mg_a_day": 37.5, "for": "4 weeks"}, {"mg_a_day": 150, "for": "7 weeks"}]
    request = one("MedicationRequest", took={"venlafaxine": {"from": "2025-05-10", "steps": steps}})

    bounds = [dosage["timing"]["repeat"]["boundsPeriod"] for dosage in request["dosageInstruction"]]
    assert bounds == [{"start": "2025-05-10", "end": "2025-06-06"}, {"start": "2025-06-07", "end": "2025-07-25"}]
    assert [dosage["sequence"] for dosage in request["dosageInstruction"]] == [1, 2]


def test_the_last_step_can_end_on_a_day_or_go_on(one: One) -> None:
    steps = [{"mg_a_day": 37.5, "for": "4 weeks"}, {"mg_a_day": 150}]
    until = one("MedicationRequest", took={"venlafaxine": {"from": "2025-05-10", "to": "2025-08-31", "steps": steps}})
    going_on = one("MedicationRequest", took={"venlafaxine": {"from": "2025-05-10", "ongoing": True, "steps": steps}})

    assert until["dosageInstruction"][1]["timing"]["repeat"]["boundsPeriod"]["end"] == "2025-08-31"
    assert going_on["dosageInstruction"][1]["timing"]["repeat"]["boundsPeriod"] == {"start": "2025-06-07"}


def test_partial_days_stay_partial(one: One) -> None:
    request = one("MedicationRequest", took={"venlafaxine": {"mg_a_day": 225, "from": "2025-05", "to": "2025-06"}})
    assert request["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] == {"start": "2025-05", "end": "2025-06"}


def test_a_taking_can_be_shown_by_several_kinds_of_resource(sent: Sent) -> None:
    took = taking(
        **{"as": ["request", "dispense", "statement", "administration"], "stopped_for": "treatment-ineffective"}
    )
    (statement,) = sent("MedicationStatement", took=took)
    (dispense,) = sent("MedicationDispense", took=took)
    (administration,) = sent("MedicationAdministration", took=took)

    assert len(sent("MedicationRequest", took=took)) == 1
    assert statement["effectivePeriod"] == {"start": "2025-05-10", "end": "2025-08-31"}
    assert statement["statusReason"][0]["coding"][0]["code"] == "266711005"
    assert (dispense["whenHandedOver"], dispense["daysSupply"]["value"]) == ("2025-05-10", 114)
    assert administration["effectivePeriod"] == {"start": "2025-05-10", "end": "2025-08-31"}


def test_dispenses_are_sent_beside_the_request(sent: Sent) -> None:
    took = taking(
        dispenses=[
            {"on": "2025-05-10", "days_supply": 30, "quantity": 30, "strength": "150 mg"},
            {"on": "2025-07-01", "days_supply": 21, "product": "313989"},
        ]
    )
    first, second = sent("MedicationDispense", took=took)

    assert len(sent("MedicationRequest", took=took)) == 1
    assert (first["daysSupply"]["value"], first["quantity"]["value"]) == (30, 30)
    assert first["medicationCodeableConcept"]["text"] == "venlafaxine 150 mg"
    assert code_of(second["medicationCodeableConcept"]) == (RXNORM, "313989")


def test_single_days_are_administrations(sent: Sent) -> None:
    given = {"as": "administration", "on": ["2026-03-02", "2026-03-05"], "dose": {"value": 40, "unit": "mg"}}
    administrations = sent("MedicationAdministration", took={"ketamine": {"coded": "ketamine-substances"} | given})

    assert [a["effectiveDateTime"] for a in administrations] == ["2026-03-02", "2026-03-05"]
    assert administrations[0]["dosage"]["dose"]["value"] == 40


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_being_written_stands_in_the_context_and_nowhere_else(codes: TerminologyIndex, hook: str) -> None:
    patient = ExamplePatient.model_validate({"orders": {"venlafaxine": {"mg_a_day": 75}}})
    request = request_of(patient, TODAY, codes, hook)

    assert ("selections" in request["context"]) is (hook == "order-select")
    (entry,) = request["context"]["draftOrders"]["entry"]
    assert entry["resource"]["status"] == "draft"
    assert "entry" not in request["prefetch"]["medicationRequests"]


# ---------------------------------------------------------------- what was sent


KEYS = {
    "patient", "conditions", "medicationRequests", "medicationStatements", "medicationDispenses",
    "medicationAdministrations", "allergies", "procedures", "serviceRequests", "encounters", "observations",
}  # fmt: skip


def test_what_is_not_listed_was_sent_and_is_empty(codes: TerminologyIndex) -> None:
    prefetch = prefetch_of(ExamplePatient(), TODAY, codes)

    assert set(prefetch) == KEYS
    assert prefetch["conditions"]["total"] == 0
    assert "entry" not in prefetch["conditions"]


@pytest.mark.parametrize(
    "kind, keys",
    [
        ("conditions", {"conditions"}),
        ("observations", {"observations"}),
        ("referrals", {"serviceRequests"}),
        ("medication_requests", {"medicationRequests"}),
        (
            "medications",
            {"medicationRequests", "medicationStatements", "medicationDispenses", "medicationAdministrations"},
        ),
    ],
)
def test_a_kind_of_data_can_be_missing_failed_or_truncated(codes: TerminologyIndex, kind: str, keys: Any) -> None:
    missing = prefetch_of(ExamplePatient.model_validate({"not_sent": [kind]}), TODAY, codes)
    failed = prefetch_of(ExamplePatient.model_validate({"failed": [kind]}), TODAY, codes)
    truncated = prefetch_of(ExamplePatient.model_validate({"truncated": [kind]}), TODAY, codes)

    assert set(missing) == KEYS - keys
    assert {key for key in KEYS if failed[key]["resourceType"] == "OperationOutcome"} == keys
    assert {key for key in KEYS if "next" in str(truncated[key].get("link"))} == keys


def test_data_of_another_patient_say_so(one: One) -> None:
    assert one("MedicationRequest", took=taking(of="another_patient"))["subject"]["reference"] == "Patient/someone-else"
    assert one("Condition", conditions=[{"code": "F33.1"}])["subject"]["reference"] == "Patient/example"


def test_a_questionnaire_answers_items_in_the_order_of_their_value_set(one: One) -> None:
    shown = {"coded": "phq-9-items", "at": "2026-05-30"}

    numbers = one("QuestionnaireResponse", questionnaires=[shown | {"answers": [2, 1], "total": {"phq-9-total": 3}}])
    codes_sent = one("QuestionnaireResponse", questionnaires=[shown | {"answers": [None, 1], "as": "code"}])

    assert (numbers["authored"], numbers["status"]) == ("2026-05-30", "completed")
    assert numbers["item"] == [
        {"linkId": "44250-9", "answer": [{"valueInteger": 2}]},
        {"linkId": "44260-8", "answer": [{"valueInteger": 1}]},
        {"linkId": "44261-6", "answer": [{"valueInteger": 3}]},
    ]
    assert codes_sent["item"] == [
        {"linkId": "44260-8", "answer": [{"valueCoding": {"system": LOINC, "code": "LA6569-3"}}]}
    ]


FULL = {
    "age": 46,
    "sex": "female",
    "conditions": ["major-depressive-disorder", {"code": "F33.1", "onset": "2025-01", "category": "encounter"}],
    "scores": [{"phq-9-total": 17, "at": "10 days ago"}, {"phq-9-total": None, "at": 2025}],
    "answers": [{"phq-9-item-9": 2, "at": "today"}, {"phq-9-item-9": 1, "as": "code", "at": "today"}],
    "questionnaires": [{"coded": "phq-9-items", "answers": [1, 0], "as": "code", "at": "today"}],
    "blood_pressure": [{"systolic": 122, "diastolic": 78, "at": "today"}],
    "observations": [{"code": "82810-3", "value": "positive", "at": "today"}],
    "took": {
        "venlafaxine": TRIAL
        | {
            "as": ["request", "dispense", "statement", "administration"],
            "stopped_for": "treatment-ineffective",
            "reasons": [{"code": "F33.1"}],
            "dispenses": [{"on": "2025-05-10", "days_supply": 30, "quantity": 30, "strength": "150 mg"}],
        },
        "sertraline": {"from": "2025-01", "ongoing": True, "dose": {"value": 1, "unit": "tablet", "every": "1 week"}},
        "ketamine": {"coded": "ketamine-substances", "as": "administration", "on": ["2026-03-02"]},
    },
    "orders": {"sertraline": {"mg_a_day": 50}},
    "allergies": ["ketamine-substances"],
    "procedures": [{"text": "ECT", "on": "2026-03-02"}, {"code": "23835007", "from": "2026-03", "to": "2026-04"}],
    "family_history": [{"code": "I67.1"}],
    "referrals": [{"text": "Psychiatry", "on": "today"}],
}


def test_every_resource_is_valid_fhir_r4b(codes: TerminologyIndex) -> None:
    patient = ExamplePatient.model_validate(FULL)
    request = request_of(patient, TODAY, codes, "order-sign")
    whole = [bundle_of(patient, TODAY, codes), *request["prefetch"].values(), request["context"]["draftOrders"]]

    for resource in whole:
        module = import_module(f"fhir.resources.R4B.{resource['resourceType'].lower()}")
        getattr(module, resource["resourceType"]).model_validate(resource)
    assert {entry["resource"]["resourceType"] for entry in whole[0]["entry"]} >= {"Observation", "FamilyMemberHistory"}


def test_ids_are_the_same_every_time_and_each_its_own(codes: TerminologyIndex) -> None:
    patient = ExamplePatient.model_validate(FULL)
    first, second = bundle_of(patient, TODAY, codes), bundle_of(patient, TODAY, codes)

    urls = [entry["fullUrl"] for entry in first["entry"]]
    assert first == second
    assert len(set(urls)) == len(urls)


@pytest.mark.parametrize(
    "shorthand, what",
    [
        ({"conditions": ["no-such-set"]}, "no value set"),
        ({"took": {"sertralin": TRIAL}}, "not a drug"),
        ({"answers": [{"phq-9-item-9": 7, "as": "code", "at": "today"}]}, "no answer code for 7"),
        ({"questionnaires": [{"coded": "phq-9-items", "answers": [1] * 3, "at": "today"}]}, "of so many items"),
        ({"questionnaires": [{"code": "44249-1", "answers": [1], "at": "today"}]}, "of so many items"),
        ({"questionnaires": [{"coded": "phq-9-items", "answers": [7], "as": "code", "at": "today"}]}, "no answer code"),
    ],
)
def test_what_the_rules_folder_lacks_is_said(codes: TerminologyIndex, shorthand: Any, what: str) -> None:
    with pytest.raises(FhirWriterError, match=what):
        bundle_of(ExamplePatient.model_validate(shorthand), TODAY, codes)
