"""
Each kind of data that a clinical review found misread, and the test that holds it right.

Those that had no other test are here.

What is not read is never "no":

- a diagnosis in words, in a local system, ICD-9-CM, ICPC-2, ICD-11, CIEL:
  test_reports::test_a_depression_in_words_or_another_system_is_unknown
  test_reading_exam
- codes of SNOMED CT beside the ones listed:
  here::test_codes_of_snomed_ct_for_depression
- F33.40 beside a PHQ-9 of ten or more:
  rules/depression/treatment-resistant-depression.test.yaml (F33.40)
- a contraindication, exclusion or caution in words only:
  test_reports::test_a_contraindication_in_words_is_possible
  test_reports::test_an_exclusion_in_words_leaves_the_criteria_open
  rules_data/test_words
- another language:
  the same
  test_reading_exam
- a code of SNOMED CT that stands in none of our lists:
  facts/test_unread_entries
- a display that says nothing we know, beside a code we do not know:
  facts/test_unread_entries
- words no list knows:
  test_reports::test_a_sign_of_suicide_risk_in_words_brings_a_card_that_names_it
- codes and words that say nothing:
  test_reports::test_an_entry_that_says_nothing_is_no_no
  here::test_what_says_nothing_is_as_if_the_kind_came_in_part
- "none known" as a code without a display:
  here::test_none_known_without_a_display_is_none
- item 9 under a local code:
  test_reports::test_the_wording_of_item_9_under_a_local_code_brings_a_safety_card
  here::test_answers_to_item_9
- a total as text, or SNOMED CT 720433000:
  here::test_a_total_as_text_or_by_snomed_ct_is_read
- a birth sex that differs from gender:
  test_reports::test_the_sex_recorded_at_birth_asks_about_pregnancy
- a repaired aneurysm as a procedure only:
  test_reports::test_a_repair_says_what_the_condition_would

Identity, time and kind of record:

- a reference to another server:
  test_reports::test_a_medication_on_another_server_is_unknown
- `intent: plan`:
  test_reports::test_what_a_patient_is_said_to_take_is_possible
  here::test_a_proposal_stays_out
- an order that is active for ten years; one score for two drugs:
  test_reports::test_orders_active_for_ten_years_show_nothing_by_one_score
  test_reports::test_one_score_does_not_show_that_two_drugs_failed
- instructions whose text contradicts the structure:
  test_reports::test_instructions_whose_text_contradicts_the_dose_give_none
- start and end in different zones:
  record/test_others::test_days_of_a_period_are_counted_in_one_zone
- a visit diagnosis of years ago:
  test_reports::test_the_diagnosis_of_an_old_visit_is_no_episode_of_today
- `Patient.link`, `Patient.active`:
  record/test_others::test_data_of_a_record_that_was_merged_into_this_one_are_this_patients
  record/test_others::test_a_record_that_was_left_is_remarked_on
- `context.patientId` as "Patient/x":
  record/test_meaning::test_the_id_in_context_may_name_its_type
- pharmacy claims:
  test_reports::test_a_pharmacy_claim_alone_leaves_the_criteria_open
- once daily by SNOMED CT 229797004 or in words:
  test_reports::test_once_a_day_in_a_code_of_snomed_ct_or_in_words_is_a_frequency"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cds.logic.truth import Truth
from tests.test_reports import (
    CONTRAINDICATED,
    FALSE,
    ILL,
    NO_ALLERGY,
    SCORE,
    SECOND,
    SNOMED,
    TRD,
    TRUE,
    UNKNOWN,
    about,
    cards,
    chart,
    condition,
    decided,
    of,
    order,
)  # fmt: skip

TESTS = Path(__file__).parent
ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
LOINC = "http://loinc.org"

JSON = dict[str, Any]


def code(system: str, value: str) -> JSON:
    return {"coding": [{"system": system, "code": value}]}


@pytest.mark.parametrize(("file", "name"), re.findall(r"^  (\w[\w/]*)::(\w+)$", __doc__ or "", re.MULTILINE))
def test_every_test_of_the_table_is_there(file: str, name: str) -> None:
    source = Path(__file__) if file == "here" else TESTS / f"{file}.py"

    assert f"def {name}(" in source.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "criteria"),
    [("35489007", UNKNOWN), ("1153570009", UNKNOWN), ("10811121000119102", TRUE), ("1153575004", UNKNOWN)],
)
def test_codes_of_snomed_ct_for_depression(value: str, criteria: Truth) -> None:
    assert of(decided(chart(ILL | {"code": code(SNOMED, value)}, without=("mdd",))), TRD) == [criteria]


@pytest.mark.parametrize(
    "said", [code(SNOMED, "1631000175102"), code(ABSENT, "no-problem-info"), {"text": "Not on file"}]
)
def test_what_says_nothing_is_as_if_the_kind_came_in_part(said: JSON) -> None:
    decision = decided(chart(condition(said)))

    assert of(decision, TRD, CONTRAINDICATED) == [UNKNOWN, UNKNOWN]
    assert "suicide_unclear" not in cards(decision)


@pytest.mark.parametrize(
    ("value", "contraindicated"),
    [
        (code(SNOMED, "716186003"), FALSE),
        (code(ABSENT, "no-known-allergies"), FALSE),
        (code(ABSENT, "no-allergy-info"), UNKNOWN),
        (code(SNOMED, "1631000175102"), UNKNOWN),
    ],
)
def test_none_known_without_a_display_is_none(value: JSON, contraindicated: Truth) -> None:
    assert of(decided(chart(NO_ALLERGY | {"code": value}, without=("nka",))), CONTRAINDICATED) == [contraindicated]


@pytest.mark.parametrize(
    "answer",
    [{"valueString": "Nearly every day"}, {"valueInteger": 3}, {"valueCodeableConcept": code(LOINC, "LA6571-9")}],
)
def test_answers_to_item_9(answer: JSON) -> None:
    wording = "Thoughts that you would be better off dead, or of hurting yourself in some way"
    said = {"coding": [{"system": "urn:flowsheet", "code": "3091", "display": wording}]}
    item = about("Observation", "o9", status="final", effectiveDateTime="2026-05-25", code=said, **answer)

    assert {"suicide_critical", "suicide_ask", "suicide_unclear"} & cards(decided(chart(item, without=("item9",))))


@pytest.mark.parametrize(
    "said",
    [
        {"valueInteger": None, "valueString": "12"},
        {"valueInteger": 12, "code": code(SNOMED, "720433000")},
        {"valueInteger": None, "valueString": "12", "code": {"text": "PHQ-9 total score"}},
    ],
)
def test_a_total_as_text_or_by_snomed_ct_is_read(said: JSON) -> None:
    fact = decided(chart(SCORE | said, without=("phq",))).facts["phq9"]

    assert (fact.low, fact.high) == (12, 12)


def test_a_proposal_stays_out() -> None:
    assert of(decided(chart(SECOND | {"intent": "proposal"}, without=("m2",))), TRD) == [FALSE]


def split(days: list[tuple[str, str]], drug: JSON, name: str) -> list[JSON]:
    """One prescription of fills."""
    return [
        order(f"{name}{at}", "", "", start, end, 100) | {"medicationCodeableConcept": drug}
        for at, (start, end) in enumerate(days)
    ]


FILLS = [("2025-02-01", "2025-02-20"), ("2025-02-22", "2025-03-12"), ("2025-03-14", "2025-04-10")]
SERTRALINE = code("http://www.nlm.nih.gov/research/umls/rxnorm", "36437")


def test_fills_of_a_medicine_nobody_reads_may_be_a_trial_together() -> None:
    other = split(FILLS, code("urn:local", "77"), "f")

    assert of(decided(chart(*split(FILLS, SERTRALINE, "f"), without=("m1",))), TRD) == [TRUE]
    assert of(decided(chart(*other, without=("m1",))), TRD) == [UNKNOWN]
    assert of(decided(chart(other[0], without=("m1",))), TRD) == [FALSE]


def test_a_fill_nobody_reads_may_be_part_of_the_trial_beside_it() -> None:
    read, unread = split(FILLS[1:], SERTRALINE, "f"), split(FILLS[:1], code("urn:local", "77"), "g")
    shorter = [read[0], unread[0]]
    longer = [*read, *unread]

    assert of(decided(chart(*shorter, without=("m1",))), TRD) == [FALSE]
    assert of(decided(chart(*longer, without=("m1",))), TRD) == [TRUE]
    assert of(decided(chart(read[1], split(FILLS[:2], code("urn:local", "77"), "g")[1], without=("m1",))), TRD) == [
        UNKNOWN
    ]
