"""
Shapes of data that real senders were found to send, each with the answer that is right.

The sixteen reports beside the repository are read where they are; of each kind there is one of our own data here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Decision, Ruleset, decide
from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.server import ROOT, TODAY
from tests.shipped import shipped_rules

JSON = dict[str, Any]
REPORTS = ROOT.parent / "shared" / "reports"
TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
TRD, CONTRAINDICATED = "treatment_resistant_depression", "ketamine_contraindicated"
ICD, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@cache
def rules() -> Ruleset:
    return shipped_rules()


def decided(body: Any) -> Decision:
    record, service = read_record(json.dumps(body).encode(), rules(), Settings())
    return decide(rules(), record, TODAY, service)


def of(decision: Decision, *names: str) -> list[Truth]:
    return [decision.truths[name] for name in names]


def cards(decision: Decision) -> set[str]:
    return {card.name for card in decision.cards}


def found_words(fact: Fact) -> set[str]:
    return {found.words for found in fact.found}


# ---------------------------------------------------------------- the reports beside the repository

RIGHT: dict[str, tuple[Truth | None, Truth | None, set[str], set[str]]] = {
    # Report → criteria met, contraindicated (None: not said), cards it must bring, cards it must not.
    "12": (UNKNOWN, None, set(), {"suggest_evaluation"}),
    "16": (UNKNOWN, None, set(), {"optimise_first", "suggest_evaluation"}),
    "25": (UNKNOWN, None, set(), set()),
    "37": (UNKNOWN, None, set(), set()),
    "42": (None, None, {"suicide_unclear"}, set()),
    "43": (UNKNOWN, UNKNOWN, set(), {"suggest_evaluation"}),
    "44": (None, UNKNOWN, set(), {"suggest_evaluation"}),
    "49": (TRUE, None, set(), set()),
    "51": (TRUE, FALSE, {"suggest_evaluation"}, set()),
    "53": (UNKNOWN, None, set(), {"suggest_evaluation"}),
    "57": (None, None, set(), set()),
    "59": (TRUE, FALSE, {"suggest_evaluation"}, set()),
    "64": (TRUE, FALSE, {"suggest_evaluation"}, set()),
    "66": (UNKNOWN, FALSE, set(), {"suggest_evaluation"}),
    "72": (UNKNOWN, None, set(), {"suggest_evaluation"}),
    "73": (TRUE, None, set(), {"suggest_evaluation"}),
}


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the reports are not here")
@pytest.mark.parametrize("number", sorted(RIGHT))
def test_a_report_is_answered_right(number: str) -> None:
    (folder,) = REPORTS.glob(f"{number}-*")
    (file,) = Path(folder).glob("*.json")
    criteria, contraindicated, shown, not_shown = RIGHT[number]

    decision = decided(json.loads(file.read_text()))

    assert criteria in {None, decision.truths[TRD]}
    assert contraindicated in {None, decision.truths[CONTRAINDICATED]}
    assert shown <= cards(decision)
    assert not_shown.isdisjoint(cards(decision))
    if number == "57":
        assert decision.truths[TRD] is not FALSE
    if number == "59":
        assert decision.facts["phq9"].low == 12


# ---------------------------------------------------------------- the same kinds, with other data


def about(kind: str, identity: str, **elements: Any) -> JSON:
    whose = "patient" if kind == "AllergyIntolerance" else "subject"
    return {"resourceType": kind, "id": identity, whose: {"reference": "Patient/p"}} | elements


def order(identity: str, code: str, name: str, start: str, end: str, dose: float, **elements: Any) -> JSON:
    daily = {
        "timing": {
            "repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": start, "end": end}}
        },
        "doseAndRate": [{"doseQuantity": {"value": dose, "unit": "mg", "code": "mg"}}],
    }
    given: JSON = {
        "status": "stopped", "intent": "order", "authoredOn": start, "dosageInstruction": [daily],
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code, "display": name}]},
        "statusReason": {"text": "ineffective"},
    }  # fmt: skip
    return about("MedicationRequest", identity, **(given | elements))


FIRST = order("m1", "36437", "sertraline", "2025-02-01", "2025-05-15", 100)
SECOND = order("m2", "39786", "venlafaxine", "2025-06-01", "2025-10-01", 150)
ILL = about(
    "Condition", "mdd", code={"coding": [{"system": ICD, "code": "F33.1"}]}, onsetDateTime="2025-01-10",
    clinicalStatus={"coding": [{"code": "active"}]},
)  # fmt: skip
SCORE = about(
    "Observation", "phq", status="final", effectiveDateTime="2026-05-20", valueInteger=18,
    code={"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
)  # fmt: skip
CALM = about(
    "Observation", "item9", status="final", effectiveDateTime="2026-05-20", valueInteger=0,
    code={"coding": [{"system": "http://loinc.org", "code": "44260-8"}]},
)  # fmt: skip
NO_ALLERGY = about("AllergyIntolerance", "nka", code={"text": "No known allergies"})
DONE = about("Procedure", "p0", status="completed", code={"text": "Colonoscopy"}, performedDateTime="2020-01-01")


def chart(*more: JSON, without: tuple[str, ...] = (), patient: JSON | None = None) -> JSON:
    person: JSON = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1980-02-02"}
    base = [person | (patient or {}), ILL, FIRST, SECOND, SCORE, CALM, NO_ALLERGY, DONE]
    kept = [one for one in base if one["id"] not in without]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in (*kept, *more)]}


def condition(code: JSON, **elements: Any) -> JSON:
    return about("Condition", "c1", code=code, recordedDate="2026-05-25", **elements)


def test_the_chart_itself_meets_the_criteria() -> None:
    decision = decided(chart())

    assert of(decision, TRD, CONTRAINDICATED) == [TRUE, FALSE]
    assert cards(decision) == {"suggest_evaluation"}


def test_a_medication_on_another_server_is_unknown() -> None:
    elsewhere = {k: v for k, v in SECOND.items() if k != "medicationCodeableConcept"} | {
        "medicationReference": {"reference": "https://b.example/fhir/Medication/7"}
    }
    drug = {"resourceType": "Medication", "id": "7", "code": {"text": "metformin"}}
    body = chart(without=("m2",))
    body["entry"].extend(
        [
            {"fullUrl": "https://a.example/fhir/MedicationRequest/m2", "resource": elsewhere},
            {"fullUrl": "https://a.example/fhir/Medication/7", "resource": drug},
        ]
    )

    assert of(decided(body), TRD) == [UNKNOWN]


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("one 150 mg capsule once daily", TRUE),
        ("two capsules of 75 mg daily", TRUE),
        ("37.5 mg per day", UNKNOWN),
        ("150 mg twice a day", UNKNOWN),
        ("take in the morning with food", TRUE),
    ],
)
def test_instructions_whose_text_contradicts_the_dose_give_none(text: str, criteria: Truth) -> None:
    said = json.loads(json.dumps(SECOND))
    said["dosageInstruction"][0]["text"] = text

    assert of(decided(chart(said, without=("m2",))), TRD) == [criteria]


def test_what_a_patient_is_said_to_take_is_possible() -> None:
    assert of(decided(chart(SECOND | {"intent": "plan"}, without=("m2",))), TRD) == [UNKNOWN]


def test_a_pharmacy_claim_alone_leaves_the_criteria_open() -> None:
    claim = {
        "resourceType": "ExplanationOfBenefit", "id": "e1", "status": "active", "use": "claim",
        "patient": {"reference": "Patient/p"}, "type": {"coding": [{"code": "pharmacy"}]},
        "item": [{"productOrService": {"text": "Effexor XR 150 mg capsule"}, "servicedDate": "2025-06-01"}],
        "supportingInfo": [{"category": {"coding": [{"code": "dayssupply"}]}, "valueQuantity": {"value": 90}}],
    }  # fmt: skip

    assert of(decided(chart(claim, without=("m2",))), TRD) == [UNKNOWN]


@pytest.mark.parametrize("answer", [{"valueString": "More than half the days"}, {"valueInteger": 2}])
def test_the_wording_of_item_9_under_a_local_code_brings_a_safety_card(answer: JSON) -> None:
    wording = "Thoughts that you would be better off dead, or of hurting yourself in some way"
    local = about(
        "Observation", "o9", status="final", effectiveDateTime="2026-05-25",
        code={"coding": [{"system": "urn:flowsheet", "code": "3091", "display": wording}]}, **answer,
    )  # fmt: skip

    assert {"suicide_critical", "suicide_ask", "suicide_unclear"} & cards(decided(chart(local, without=("item9",))))


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}]},
        {"text": "See notes"},
        {"coding": [{"system": "urn:local", "code": "77"}]},
        {"coding": [{"system": SNOMED, "code": "195967001"}]},
    ],
)
def test_an_entry_that_says_nothing_is_no_no(code: JSON) -> None:
    decision = decided(chart(condition(code)))

    assert of(decision, TRD, CONTRAINDICATED) == [UNKNOWN, UNKNOWN]
    assert "suicide_unclear" not in cards(decision)


@pytest.mark.parametrize(
    ("code", "contraindicated"),
    [
        ({"coding": [{"system": SNOMED, "code": "409137002"}]}, FALSE),
        ({"text": "NKDA"}, FALSE),
        ({"text": "keine bekannten Allergien"}, FALSE),
        ({"text": "No information about allergies"}, UNKNOWN),
        ({"text": "Unable to assess"}, UNKNOWN),
        ({"text": "Narkosemittel"}, UNKNOWN),
        ({"text": "Penicillin"}, FALSE),
    ],
)
def test_no_known_allergy_is_none_and_no_information_is_unknown(code: JSON, contraindicated: Truth) -> None:
    allergy = about("AllergyIntolerance", "a1", code=code)

    assert of(decided(chart(allergy, without=("nka",))), CONTRAINDICATED) == [contraindicated]


def test_once_a_day_in_a_code_of_snomed_ct_or_in_words_is_a_frequency() -> None:
    for code in ({"coding": [{"system": SNOMED, "code": "229797004"}]}, {"text": "einmal täglich"}):
        said = json.loads(json.dumps(SECOND))
        repeat = said["dosageInstruction"][0]["timing"]["repeat"]
        said["dosageInstruction"][0]["timing"] = {"code": code, "repeat": {"boundsPeriod": repeat["boundsPeriod"]}}

        assert of(decided(chart(said, without=("m2",))), TRD) == [TRUE], code


@pytest.mark.parametrize(
    "code",
    [
        {
            "coding": [
                {"system": "urn:mimic", "code": "F331", "display": "Major depressive disorder, recurrent, moderate"}
            ]
        },
        {"text": "Major depressive disorder"},
        {"text": "Depresión mayor"},
        {"text": "Zwxq of the mind"},
    ],
)
def test_a_depression_in_words_or_another_system_is_unknown(code: JSON) -> None:
    ill = ILL | {"code": code}

    assert of(decided(chart(ill, without=("mdd",))), TRD) == [UNKNOWN]


def test_orders_active_for_ten_years_show_nothing_by_one_score() -> None:
    active = {"status": "active", "statusReason": None, "dosageInstruction": [
        {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
         "doseAndRate": [{"doseQuantity": {"value": 150, "unit": "mg", "code": "mg"}}]}]}  # fmt: skip
    old = [FIRST | active | {"authoredOn": "2016-01-01"}, SECOND | active | {"authoredOn": "2017-02-01"}]
    since = ILL | {"onsetDateTime": "2015-06-01"}

    assert of(decided(chart(since, *old, without=("mdd", "m1", "m2"))), TRD) == [UNKNOWN]


def test_one_score_does_not_show_that_two_drugs_failed() -> None:
    going_on = {"status": "active", "statusReason": None, "authoredOn": "2025-12-01", "dosageInstruction": [
        {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
         "doseAndRate": [{"doseQuantity": {"value": 150, "unit": "mg", "code": "mg"}}]}]}  # fmt: skip
    both = [FIRST | going_on, SECOND | going_on | {"authoredOn": "2026-01-15"}]

    decision = decided(chart(*both, without=("m1", "m2")))

    assert of(decision, TRD) == [UNKNOWN]
    assert "the same score" in " ".join(trial.outcome for trial in decision.facts["antidepressant_trials"].trials)


@pytest.mark.parametrize(
    "words",
    [
        "Psychosis NOS", "Schizophrenie", "BPAD", "SCZ", "hears people who are not there", "Esquizofrenia", "Psykos",
    ],
)  # fmt: skip
def test_an_exclusion_in_words_leaves_the_criteria_open(words: str) -> None:
    assert of(decided(chart(condition({"text": words}))), TRD) == [UNKNOWN]


@pytest.mark.parametrize(
    "words",
    [
        "Zerebrales Aneurysma", "Hirnblutung 2019", "Aneurisma cerebral", "bleed in the brain", "Anévrisme cérébral",
        "Hersenbloeding", "Hjärnblödning", "AAA repair", "blood spilled into his head",
    ],
)  # fmt: skip
def test_a_contraindication_in_words_is_possible(words: str) -> None:
    decision = decided(chart(condition({"text": words})))

    assert of(decision, CONTRAINDICATED) == [UNKNOWN]
    assert "suggest_evaluation" not in cards(decision)


@pytest.mark.parametrize(
    "words",
    ["Clipping of cerebral aneurysm", "Endovascular repair of thoracic aortic aneurysm"],
)
def test_a_repair_says_what_the_condition_would(words: str) -> None:
    done = about("Procedure", "p1", status="completed", code={"text": words}, performedDateTime="2019-01-01")

    assert decided(chart(done)).truths[CONTRAINDICATED] is not FALSE


@pytest.mark.parametrize(
    "words",
    ["Suizidgedanken, akut", "wants to end her life", "SI w/ plan", "Ideación suicida", "would rather not wake up"],
)
def test_a_sign_of_suicide_risk_in_words_brings_a_card_that_names_it(words: str) -> None:
    decision = decided(chart(condition({"text": words})))

    assert {"suicide_critical", "suicide_ask", "suicide_unclear"} & cards(decision)
    named = {found for fact in decision.facts.by_name.values() for found in found_words(fact)}
    assert words in named


@pytest.mark.parametrize(
    "words", ["No suicidal ideation", "Denies suicidal ideation", "Keine Suizidgedanken", "Family history of aneurysm"]
)
def test_what_is_denied_or_of_the_family_is_none(words: str) -> None:
    decision = decided(chart(condition({"text": words})))

    assert of(decision, TRD, CONTRAINDICATED) == [TRUE, FALSE]
    assert cards(decision) == {"suggest_evaluation"}


def test_the_sex_recorded_at_birth_asks_about_pregnancy() -> None:
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
    answers = [
        decided(chart(patient={"birthDate": "1994-01-01", "extension": extension}))
        for extension in ([], [{"url": url, "valueCode": "F"}])
    ]

    assert [answer.truths["childbearing_potential"] for answer in answers] == [FALSE, TRUE]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recordedDate": "2014-03-01"}, UNKNOWN),
        ({"recordedDate": "2026-01-01"}, TRUE),
        ({"recordedDate": "2014-03-01", "clinicalStatus": {"coding": [{"code": "active"}]}}, TRUE),
    ],
)
def test_the_diagnosis_of_an_old_visit_is_no_episode_of_today(changes: JSON, expected: Truth) -> None:
    visit = about(
        "Condition", "mdd", code=ILL["code"], category=[{"coding": [{"code": "encounter-diagnosis"}]}], **changes
    )

    assert decided(chart(visit, without=("mdd",))).facts["major_depression"].truth is expected


def test_what_was_not_read_is_named() -> None:
    decision = decided(chart(condition({"text": "Zwxq of the mind"})))

    fact = decision.facts["aneurysm"]
    assert fact.because == "1 condition not read, may be it"
    assert found_words(fact) == {"Zwxq of the mind"}
