from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from cds.record.bundle import read_bundle
from cds.record.dates import read_date
from cds.record.model import NOT_UNDERSTOOD, IssueKind, NormalRange, Span, Verification
from cds.record.units import factor, plain_unit, split_a_day
from cds.terminology.index import TerminologyIndex
from cds.terminology.value_sets import ObservationFilter, RelevanceCriteria
from tests.record.fhir import JSON, LIMITS, about, bundle, coded, observation, patient, read

# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("text", "first", "last", "flawed"),
    [
        ("2025-05-03", "2025-05-03", "2025-05-03", False),
        ("2025-05", "2025-05-01", "2025-05-31", False),
        ("2024-02", "2024-02-01", "2024-02-29", False),
        ("2025", "2025-01-01", "2025-12-31", False),
        ("2025-05-03T23:30:00-05:00", "2025-05-03", "2025-05-03", False),
        ("2025-05-03T23:30:00.123Z", "2025-05-03", "2025-05-03", False),
        ("2025-05-03T10:00", "2025-05-03", "2025-05-03", True),
        ("2025-05-03 10:00:00", "2025-05-03", "2025-05-03", True),
        ("2025-05-03T24:00:00Z", "2025-05-03", "2025-05-03", True),
        ("1980-5-1", "1980-05-01", "1980-05-01", True),
    ],
)
def test_a_date_is_the_days_it_can_be(text: str, first: str, last: str, flawed: bool) -> None:
    read_ = read_date(text)

    assert read_.span == Span(date.fromisoformat(first), date.fromisoformat(last))
    assert bool(read_.flaw) is flawed


@pytest.mark.parametrize(
    "text", ["", "x", "1980-02-30", "2025-13", "0001-01-01", "2500-01-01", "20250503", "2025-05-03T"]
)
def test_what_is_no_date_is_not_recorded(text: str) -> None:
    assert read_date(text).span is None


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(date(2025, 5, 1), date(2025, 5, 31)), "2025-05"),
        (Span(date(2025, 12, 1), date(2025, 12, 31)), "2025-12"),
        (Span(date(2025, 1, 1), date(2025, 12, 31)), "2025"),
        (Span(date(2025, 5, 3), date(2025, 5, 3)), "2025-05-03"),
        (Span(date(2025, 5, 3), date(2025, 5, 9)), "2025-05-03 to 2025-05-09"),
    ],
)
def test_a_span_reads_as_it_was_known(span: Span, text: str) -> None:
    assert span.text == text


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("here", "there", "times"),
    [
        ("mg", "mg", 1),
        ("g", "mg", 1000),
        ("mcg", "mg", 0.001),
        ("ug", "mg", 0.001),
        ("kPa", "mm[Hg]", 7.50062),
        ("wk", "d", 7),
        ("mo", "d", 30.4375),
        ("tablet", "{tablet}", 1),
        ("{tablet}", "mg", None),
        ("", "mg", None),
        ("mg", "", None),
        ("mmol", "mg", None),
        ("nonsense", "mg", None),
        ("nonsense", "nonsense", 1),
    ],
)
def test_units_convert_or_do_not(here: str, there: str, times: float | None) -> None:
    assert factor(here, there) == (times if times is None else pytest.approx(times, rel=1e-5))


def test_a_dose_a_day_is_split() -> None:
    assert split_a_day("mg/d") == ("mg", True)
    assert split_a_day("mg/day") == ("mg", True)
    assert split_a_day("mg") == ("mg", False)
    assert plain_unit("mm Hg") == "mm[Hg]"


# ---------------------------------------------------------------- patient, diagnoses, allergies, procedures


def test_a_patient_has_birth_date_and_gender_as_far_as_they_can_be_read() -> None:
    import json

    from cds.record.bundle import read_bundle
    from tests.record.fhir import LIMITS, bundle

    def of(**changes: Any) -> Any:
        return read_bundle(json.dumps(bundle(patient(**changes))).encode(), **LIMITS).patient

    assert (of().sex, of().birth.text) == ("female", "1980-01-15")
    assert of(birthDate="1980-01").birth.text == "1980-01"
    assert (of(gender="F").sex, of(birthDate="yesterday").birth) == (None, None)
    assert of(deceasedBoolean=True).died


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("confirmed", Verification.CONFIRMED),
        ("provisional", Verification.POSSIBLE),
        ("differential", Verification.POSSIBLE),
        ("unconfirmed", Verification.POSSIBLE),
        ("refuted", Verification.WRONG),
        (None, Verification.CONFIRMED),
    ],
)
def test_what_a_verification_status_means(code: str | None, meaning: Verification) -> None:
    status = {"verificationStatus": coded("x", code)} if code else {}

    (diagnosis,) = read(about("Condition", "c", code=coded("x", "a"), **status)).diagnoses

    assert diagnosis.verification is meaning


def test_onset_recording_and_abatement_of_a_diagnosis() -> None:
    (diagnosis,) = read(
        about(
            "Condition", "c", code=coded("x", "a"), clinicalStatus=coded("x", "resolved"),
            onsetPeriod={"start": "2024-01", "end": "2024-06"}, recordedDate="2024-02-01", abatementDateTime="2025",
            category=[coded("x", "problem-list-item")],
        )
    ).diagnoses  # fmt: skip

    assert (diagnosis.status, diagnosis.problem_list) == ("resolved", True)
    assert [span.text for span in (diagnosis.onset, diagnosis.recorded, diagnosis.abated) if span] == [
        "2024-01",
        "2024-02-01",
        "2025",
    ]


def entered_in_error(kind: str) -> JSON:
    member = {"Observation": "status", "Procedure": "status"}.get(kind, "verificationStatus")
    value: Any = "entered-in-error" if member == "status" else coded("x", "entered-in-error")
    return about(kind, "x", code=coded("x", "a"), **{member: value})


@pytest.mark.parametrize("kind", ["Condition", "AllergyIntolerance", "Observation", "Procedure"])
def test_what_was_entered_in_error_never_happened(kind: str) -> None:
    record = read(entered_in_error(kind))

    assert (record.diagnoses, record.allergies, record.measurements, record.interventions) == ((), (), (), ())


def test_an_allergy_names_its_substances() -> None:
    (allergy,) = read(
        about("AllergyIntolerance", "a", code=coded("x", "a"), type="intolerance", clinicalStatus=coded("x", "active"),
              reaction=[{"substance": coded("x", "b")}])
    ).allergies  # fmt: skip

    assert [concept.codings[0].code for concept in allergy.concepts] == ["a", "b"]
    assert (allergy.status, allergy.type) == ("active", "intolerance")


def test_a_procedure_that_was_not_done_is_none() -> None:
    done = about("Procedure", "r", status="completed", code=coded("x", "a"), performedPeriod={"start": "2025-01-01"})

    assert [i.when.text for i in read(done).interventions if i.when] == ["2025-01-01"]
    assert read(done | {"status": "not-done"}).interventions == ()


# ---------------------------------------------------------------- measurements


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        ({"valueQuantity": {"value": 17, "unit": "score", "code": "{score}"}}, 17, "{score}"),
        ({"valueQuantity": {"value": 17, "unit": "mmHg"}}, 17, "mmHg"),
        ({"valueInteger": 17}, 17, ""),
        ({"valueString": "17"}, 17, ""),
        ({"valueString": "about 17"}, None, ""),
        ({"dataAbsentReason": {"text": "asked"}}, None, ""),
        ({"valueQuantity": {"unit": "mg"}}, None, ""),
    ],
)
def test_a_value_is_read_or_the_reason_is_kept(value: JSON, number: float | None, unit: str) -> None:
    plain = observation(valueQuantity=None) | value

    (measurement,) = read(plain).measurements

    assert (measurement.value, measurement.unit) == (number, unit)
    assert bool(measurement.why_no_value) is (number is None)


def test_components_stand_for_themselves_and_the_panel_without_value_does_not() -> None:
    panel = observation(valueQuantity=None, component=[
        {"code": coded("http://loinc.org", "8480-6"), "valueQuantity": {"value": 122, "code": "mm[Hg]"}},
        {"code": coded("http://loinc.org", "8462-4"), "valueQuantity": {"value": 78, "code": "mm[Hg]"}},
    ])  # fmt: skip

    assert [(m.concept.codings[0].code, m.value) for m in read(panel).measurements] == [("8480-6", 122), ("8462-4", 78)]


@pytest.mark.parametrize(
    ("status", "final"), [("final", True), ("amended", True), ("preliminary", False), (None, False)]
)
def test_only_final_results_are_final(status: str | None, final: bool) -> None:
    assert read(observation(status=status)).measurements[0].final is final


def test_the_time_of_issue_is_taken_only_for_want_of_another_and_said() -> None:
    record = read(observation(effectiveDateTime=None, issued="2026-05-20T10:00:00Z"))

    assert record.measurements[0].when is not None
    assert record.issues[0].kind is IssueKind.IMPRECISE


def test_an_observation_about_someone_else_in_focus_is_left_out() -> None:
    assert read(observation(focus=[{"reference": "Patient/mother"}])).measurements == ()


def test_answers_of_a_questionnaire_are_measurements_by_their_loinc_code() -> None:
    response = about(
        "QuestionnaireResponse", "q", status="completed", authored="2026-05-20",
        item=[
            {"linkId": "/44260-8", "answer": [{"valueCoding": {"system": "http://loinc.org", "code": "LA6569-3"}}]},
            {"linkId": "x", "definition": "http://loinc.org/q#44261-6", "answer": [{"valueInteger": 17}]},
            {"linkId": "group", "item": [{"linkId": "1-8", "answer": [{"valueDecimal": 2}]}]},
            {"linkId": "unknown", "answer": [{"valueInteger": 1}]},
            {"linkId": "/2-6", "answer": [{"valueBoolean": True}]},
            {"linkId": "/3-4", "answer": [{"valueString": " yes "}]},
        ],
    )  # fmt: skip

    def found(status: str | None) -> dict[str, Any]:
        read_ones = read(response | {"status": status}).measurements
        assert {m.final for m in read_ones} <= {status == "completed"}
        return {m.concept.codings[0].code: (m.value, m.answer is not None, m.said, m.words) for m in read_ones}

    assert found("completed") == {
        "44260-8": (None, True, None, ""), "44261-6": (17, False, None, ""), "1-8": (2, False, None, ""),
        "2-6": (None, False, True, ""), "3-4": (None, False, None, "yes"),
    }  # fmt: skip
    assert found("in-progress") == found("completed")
    assert found(None) == found("completed")
    assert found("entered-in-error") == {}


def test_true_and_false_are_read_from_an_observation_and_its_components() -> None:
    component = {"code": coded("http://loinc.org", "2-6"), "valueBoolean": False}
    record = read(observation(valueQuantity=None, valueBoolean=True, component=[component]))

    assert [m.said for m in record.measurements] == [True, False]


# ---------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("system", "code", "understood"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "F33.1", ("http://hl7.org/fhir/sid/icd-10-cm", "F33.1")),
        ("http://hl7.org/fhir/sid/icd-10-cm", "F331", ("http://hl7.org/fhir/sid/icd-10-cm", "F33.1")),
        ("http://hl7.org/fhir/sid/icd-10-cm/", "f33.1 ", ("http://hl7.org/fhir/sid/icd-10-cm", "F33.1")),
        ("urn:oid:2.16.840.1.113883.6.90", "I71", ("http://hl7.org/fhir/sid/icd-10-cm", "I71")),
        ("http://hl7.org/fhir/sid/icd-10", "F33.1", ("http://hl7.org/fhir/sid/icd-10-cm", "F33.1")),
        ("http://snomed.info/sct|http://snomed.info/sct/731000124108", "1", ("http://snomed.info/sct", "1")),
        ("http://loinc.org/", "44261-6", ("http://loinc.org", "44261-6")),
        ("http://www.whocc.no/atc/", "N06AB06", ("http://www.whocc.no/atc", "N06AB06")),
        ("urn:local", "abc", ("urn:local", "abc")),
        (None, "F33.1", ("", "F33.1")),
    ],
)
def test_a_code_is_understood_in_the_spellings_senders_use(
    system: str | None, code: str, understood: tuple[str, str]
) -> None:
    (diagnosis,) = read(about("Condition", "c", code={"coding": [{"system": system, "code": code}]})).diagnoses

    coding = diagnosis.concept.codings[0]
    assert (coding.system, coding.code) == understood


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (None, ""),
        ({}, ""),
        (coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "resolved"), "resolved"),
        ({"text": "Resolved"}, "resolved"),
        ({"coding": [{"system": "urn:local", "code": "7", "display": "Inactive"}]}, "inactive"),
        (coded("urn:local", "ACTIVE"), "active"),
        (coded("urn:local", "7"), NOT_UNDERSTOOD),
        ({"text": "chronic"}, NOT_UNDERSTOOD),
    ],
)
def test_a_clinical_status_in_words_is_read_and_one_not_understood_is_not_none(said: Any, status: str) -> None:
    condition = about("Condition", "c", code=coded("x", "a"), clinicalStatus=said)
    allergy = about("AllergyIntolerance", "a", code=coded("x", "a"), clinicalStatus=said)

    assert read(condition).diagnoses[0].status == status
    assert read(allergy).allergies[0].status == status


@pytest.mark.parametrize(
    ("ended", "over"),
    [
        ({"abatementBoolean": True}, True),
        ({"abatementString": "in spring"}, True),
        ({"abatementAge": {"value": 40, "unit": "a"}}, True),
        ({"abatementRange": {}}, True),
        ({"abatementBoolean": False}, False),
        ({}, False),
        ({"abatementDateTime": "2025-05-01"}, False),
    ],
)
def test_an_end_without_a_day_is_still_an_end(ended: Any, over: bool) -> None:
    (diagnosis,) = read(about("Condition", "c", code=coded("x", "a"), **ended)).diagnoses

    assert diagnosis.over is over
    assert (diagnosis.abated is not None) is ("abatementDateTime" in ended)


def test_the_normal_range_is_read_with_its_unit_and_others_are_not() -> None:
    meaning = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
    ranges = [
        {"low": {"value": 5, "unit": "U/L"}, "high": {"value": 40, "unit": "U/L"}},
        {"high": {"value": 60}, "type": coded(meaning, "normal")},
        {"high": {"value": 99}, "type": coded(meaning, "therapeutic")},
        {"low": {"value": 5, "unit": "U/L"}, "high": {"value": 40, "unit": "mg"}},
        {"high": {"value": 40, "comparator": "<"}},
        {"text": "up to 40"},
        None,
    ]
    (measurement,) = read(observation(referenceRange=ranges)).measurements

    assert measurement.normal == (NormalRange(5, 40, "U/L"), NormalRange(None, 60, ""))


def test_the_effects_of_an_allergy_are_read_in_the_shapes_of_r4_and_r5() -> None:
    reactions = [{"manifestation": [{"text": "Nausea"}]}, {"manifestation": [{"concept": {"text": "Rash"}}, None]}, {}]
    (allergy,) = read(about("AllergyIntolerance", "a", code=coded("x", "a"), reaction=reactions)).allergies

    assert [effect.text for effect in allergy.effects] == ["Nausea", "Rash"]


def test_an_observation_nobody_wants_is_passed_over_and_one_called_by_its_whole_name_is_not() -> None:
    wanted = RelevanceCriteria(
        ObservationFilter(frozenset({"44261-6"}), frozenset({"abc17totalscore"})), TerminologyIndex({}, {})
    )
    codes = [
        coded("http://loinc.org", "8867-4", "ABC heart rate"),
        {"text": "ABC-17 Total Score"},
        coded("urn:local", "7", "abc-17 total score"),
        coded("http://loinc.org", "44261-6"),
    ]
    listed = [observation(f"o{index}", code=code) for index, code in enumerate(codes)]

    record = read_bundle(json.dumps(bundle(patient(), *listed)).encode(), sought=wanted, **LIMITS)

    assert [measurement.source for measurement in record.measurements] == [
        f"Observation/o{index}" for index in (1, 2, 3)
    ]


# ---------------------------------------------------------------- periods over two zones


@pytest.mark.parametrize(
    ("start", "end", "last"),
    [
        ("2025-01-01T23:30:00-05:00", "2025-02-12T03:00:00Z", ("2025-02-11", "2025-02-11")),
        ("2025-01-01T23:30:00-05:00", "2025-02-12T10:00:00Z", ("2025-02-11", "2025-02-12")),
        ("2025-01-01T12:00:00-05:00", "2025-02-12T12:00:00Z", ("2025-02-12", "2025-02-12")),
        ("2025-01-01T00:00:00-05:00", "2025-06-30T00:00:00-04:00", ("2025-06-30", "2025-06-30")),  # summer time
        ("2025-01-01", "2025-02-12T03:00:00Z", ("2025-02-12", "2025-02-12")),
    ],
)
def test_days_of_a_period_are_counted_in_one_zone(start: str, end: str, last: tuple[str, str]) -> None:
    about_it = about("Condition", "c", code={"text": "x"}, onsetPeriod={"start": start})
    taken = about(
        "MedicationStatement", "s", status="completed", medicationCodeableConcept={"text": "Drug"},
        effectivePeriod={"start": start, "end": end},
    )  # fmt: skip

    (exposure,) = read(about_it, taken).exposures

    assert exposure.end is not None
    assert (exposure.end.earliest.isoformat(), exposure.end.latest.isoformat()) == last


# ---------------------------------------------------------------- whose record it is


def linked(kind: str, other: str, **changes: Any) -> JSON:
    return patient(link=[{"type": kind, "other": {"reference": f"Patient/{other}"}}], **changes)


def test_data_of_a_record_that_was_merged_into_this_one_are_this_patients() -> None:
    older = about("Condition", "c", code={"text": "Asthma"}) | {"subject": {"reference": "Patient/old"}}
    merged = bundle(linked("replaces", "old"), older)

    record = read_bundle(json.dumps(merged).encode(), **LIMITS)

    assert [diagnosis.concept.words for diagnosis in record.diagnoses] == ["Asthma"]
    assert any("merged into this one" in issue.what for issue in record.issues)


def test_of_two_patients_the_one_that_replaced_the_other_counts() -> None:
    both = bundle(patient(id="old", gender="male"), linked("replaces", "old"))

    record = read_bundle(json.dumps(both).encode(), **LIMITS)

    assert (record.patient.reference, record.patient.sex) == ("Patient/p1", "female")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/new"}}]}, "merged into another one"),
        ({"active": False}, "no longer in use"),
        ({"link": [{"type": "seealso", "other": {"reference": "Patient/x"}}]}, ""),
    ],
)
def test_a_record_that_was_left_is_remarked_on(changes: JSON, said: str) -> None:
    issues = read_bundle(json.dumps(bundle(patient(**changes))).encode(), **LIMITS).issues

    assert [said in issue.what for issue in issues] == ([True] if said else [])


@pytest.mark.parametrize(("code", "sex"), [("F", "female"), ("M", "male"), ("UNK", None), (7, None)])
def test_the_sex_recorded_at_birth_is_read(code: Any, sex: str | None) -> None:
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
    said = patient(gender="male", extension=[{"url": url, "valueCode": code}])

    assert read_bundle(json.dumps(bundle(said)).encode(), **LIMITS).patient.birth_sex == sex
