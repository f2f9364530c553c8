from __future__ import annotations

from typing import Any

import pytest

from cds.facts.allergy import CompiledAllergy
from cds.facts.answer import CompiledAnswer
from cds.facts.context import sort_record
from cds.facts.diagnosis import CompiledDiagnosis
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.medication import CompiledMedication
from cds.facts.presence import presence
from cds.facts.procedure import CompiledProcedure
from cds.facts.referral import CompiledReferral
from cds.logic.truth import Truth
from cds.record.model import (
    NOT_UNDERSTOOD,
    Allergy,
    Delivery,
    DeliveryState,
    Diagnosis,
    Exposure,
    ExposureKind,
    Intervention,
    Measurement,
    Patient,
    PatientRecord,
    Referral,
    Verification,
)
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup
from cds.terminology.value_sets import ValueSet
from tests.facts.builders import ALL_SENT, TODAY, WHOLE, day, month

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
SYSTEM = "urn:test"


def value_set(name: str, *names: str) -> ValueSet:
    exact, roots, excepted = (SYSTEM, name), (SYSTEM, f"{name}-root"), (SYSTEM, f"{name}-root-not")
    return ValueSet(name, name, {exact: name}, {roots: name}, {excepted: ""}, [WordGroup(names)], {})


CODES = TerminologyIndex(
    {
        s.name: s
        for s in (value_set("a", "alpha"), value_set("maybe"), value_set("yes"), value_set("no"), value_set("q"))
    },
    {},
)


def concept(code: str, text: str = "") -> Concept:
    return Concept((Coding(SYSTEM, code),), text)


def look(want: Any, **entries: Any) -> Fact:
    sent = entries.pop("sent", ALL_SENT | {"ServiceRequest": WHOLE})
    return presence(want, sort_record(PatientRecord(Patient("Patient/1"), sent=sent, **entries), CODES, TODAY))


COMMON: dict[str, Any] = {
    "name": "it", "label": "it", "look_back_days": None, "coded": ("a",), "possibly_coded": ("maybe",),
    "if_none_found": F, "because": "nobody wrote it down",
}  # fmt: skip


def condition(**changes: Any) -> CompiledDiagnosis:
    return CompiledDiagnosis(**(COMMON | {"statuses": frozenset({"active"}), "undated": U} | changes))


def diagnosed(code: str = "a", **changes: Any) -> tuple[Diagnosis, ...]:
    given: dict[str, Any] = {"source": "Condition/1", "concept": concept(code)}
    return (Diagnosis(**(given | changes)),)


def test_a_matching_diagnosis_is_present_with_its_source() -> None:
    fact = look(condition(), diagnoses=diagnosed(status="active"))

    assert fact.truth is T
    assert [found.reference for found in fact.found] == ["Condition/1"]


@pytest.mark.parametrize(("code", "truth"), [("a-root", T), ("a-root.9", T), ("a-roo", F), ("a-root-not", F)])
def test_children_of_a_root_belong_except_those_named(code: str, truth: Truth) -> None:
    assert look(condition(), diagnoses=diagnosed(code)).truth is truth


@pytest.mark.parametrize(("status", "truth"), [("active", T), ("", T), ("resolved", F), ("inactive", F)])
def test_the_clinical_status_decides_and_none_given_counts_as_active(status: str, truth: Truth) -> None:
    assert look(condition(), diagnoses=diagnosed(status=status)).truth is truth
    assert look(condition(statuses=None), diagnoses=diagnosed(status=status)).truth is T


@pytest.mark.parametrize(
    ("verification", "truth"), [(Verification.CONFIRMED, T), (Verification.POSSIBLE, U), (Verification.WRONG, F)]
)
def test_a_refuted_diagnosis_is_no_match_and_an_unconfirmed_one_only_possible(
    verification: Verification, truth: Truth
) -> None:
    fact = look(condition(), diagnoses=diagnosed(verification=verification))

    assert fact.truth is truth
    if truth is U:
        assert fact.why_unknown is WhyUnknown.POSSIBLE


def test_a_code_that_says_perhaps_and_a_name_without_a_code_are_possible() -> None:
    assert look(condition(), diagnoses=diagnosed("maybe")).truth is U
    assert look(condition(), diagnoses=diagnosed(concept=Concept((), "Alpha, left side"))).truth is U
    assert look(condition(), diagnoses=diagnosed(concept=Concept((), "no alpha"))).truth is F


@pytest.mark.parametrize(("onset", "truth"), [("2026-04-20", T), ("2026-04-19", F), ("2026-06-02", F)])
def test_a_window_holds_its_first_day_and_nothing_after_today(onset: str, truth: Truth) -> None:
    assert look(condition(look_back_days=42), diagnoses=diagnosed(onset=day(onset))).truth is truth


def test_without_a_precise_date_a_window_cannot_tell() -> None:
    assert look(condition(look_back_days=42), diagnoses=diagnosed(onset=month(2026, 4))).truth is U
    assert look(condition(look_back_days=42), diagnoses=diagnosed()).truth is U
    assert look(condition(look_back_days=42, undated=T), diagnoses=diagnosed()).truth is T


@pytest.mark.parametrize(
    ("state", "if_none", "truth", "why"),
    [
        (DeliveryState.WHOLE, F, F, None),
        (DeliveryState.WHOLE, U, U, WhyUnknown.NOT_FOUND),
        (DeliveryState.PART, F, U, WhyUnknown.UNREADABLE),
        (DeliveryState.NOT_SENT, F, U, WhyUnknown.NOT_SENT),
    ],
)
def test_nothing_found_is_no_only_when_the_whole_was_sent(
    state: DeliveryState, if_none: Truth, truth: Truth, why: WhyUnknown | None
) -> None:
    fact = look(condition(if_none_found=if_none), sent={"Condition": (Delivery(state, "it did not come"),)})

    assert (fact.truth, fact.why_unknown) == (truth, why)


def medication(**changes: Any) -> CompiledMedication:
    return CompiledMedication(**(COMMON | {"current": True} | changes))


def exposed(**changes: Any) -> tuple[Exposure, ...]:
    given: dict[str, Any] = {
        "source": "MedicationRequest/1", "identity": "1", "kind": ExposureKind.REQUEST, "drug": concept("a"),
        "start": day("2026-05-01"),
    }  # fmt: skip
    return (Exposure(**(given | changes)),)


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({"open_ended": True}, T),
        ({"open_ended": True, "doubtful": True}, U),
        ({"open_ended": True, "start": day("2026-06-02")}, F),
        ({"end": day("2026-06-01")}, T),
        ({"end": day("2026-05-31")}, F),
        ({}, F),
        ({"open_ended": True, "drug": Concept()}, U),
        ({"open_ended": True, "drug": Concept((Coding("urn:local", "77"),))}, U),
        ({"open_ended": True, "drug": Concept((Coding(SYSTEM, "77"),))}, F),
        ({"end": day("2026-05-31"), "drug": Concept()}, F),
        ({"open_ended": True, "drug": Concept((), "Alpha 5 mg")}, T),
        ({"open_ended": True, "drug": Concept((), "Beta 5 mg")}, F),
    ],
)
def test_a_current_medication_is_one_taken_today(changes: dict[str, Any], truth: Truth) -> None:
    assert look(medication(), exposures=exposed(**changes)).truth is truth


@pytest.mark.parametrize(("end", "truth"), [("2026-03-03", T), ("2026-03-02", F)])
def test_a_past_medication_counts_when_it_was_taken_in_the_window(end: str, truth: Truth) -> None:
    want = medication(current=False, look_back_days=90)

    assert look(want, exposures=exposed(start=day("2025-01-01"), end=day(end))).truth is truth


def test_statements_answer_for_medications_only_where_orders_were_not_asked_for() -> None:
    statements_only = {"MedicationStatement": WHOLE}
    orders_failed = statements_only | {
        "MedicationRequest": (Delivery(DeliveryState.NOT_SENT, "an error", failed=True),)
    }
    dispenses_failed = {
        "MedicationRequest": WHOLE,
        "MedicationDispense": (Delivery(DeliveryState.NOT_SENT, "", failed=True),),
    }
    dispenses_absent = {"MedicationRequest": WHOLE, "MedicationDispense": (Delivery(DeliveryState.NOT_SENT, ""),)}

    assert look(medication(), sent=statements_only).truth is F
    assert look(medication(), sent=orders_failed).truth is U
    assert look(medication(), sent=dispenses_failed).truth is U
    assert look(medication(), sent=dispenses_absent).truth is F


def allergic(**changes: Any) -> tuple[Allergy, ...]:
    given: dict[str, Any] = {"source": "AllergyIntolerance/1", "concepts": (concept("a"),)}
    return (Allergy(**(given | changes)),)


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({}, T),
        ({"status": "active", "type": "allergy"}, T),
        ({"type": "intolerance"}, U),
        ({"status": "resolved"}, U),
        ({"verification": Verification.POSSIBLE}, U),
        ({"verification": Verification.WRONG}, F),
        ({"concepts": (concept("b"),)}, F),
    ],
)
def test_an_allergy_that_is_not_plainly_one_is_possible(changes: dict[str, Any], truth: Truth) -> None:
    assert look(CompiledAllergy(**COMMON), allergies=allergic(**changes)).truth is truth


@pytest.mark.parametrize(("status", "truth"), [("completed", T), ("in-progress", T), ("unknown", U)])
def test_a_procedure_counts_when_it_was_done(status: str, truth: Truth) -> None:
    done = (Intervention("Procedure/1", concept("a"), day("2026-01-01"), status),)

    assert look(CompiledProcedure(**COMMON), interventions=done).truth is truth


def test_a_referral_counts_by_status_and_window() -> None:
    referred = (Referral("ServiceRequest/1", concept("a"), "active", day("2026-05-01")),)

    def asked(**changes: Any) -> Truth | None:
        return look(
            CompiledReferral(**(COMMON | {"statuses": frozenset({"active"})} | changes)), referrals=referred
        ).truth

    assert asked() is T
    assert asked(statuses=frozenset({"revoked"})) is F
    assert asked(look_back_days=10) is F


@pytest.mark.parametrize(
    ("answer", "when", "truth"), [("yes", "2026-05-20", T), ("no", "2026-05-20", F), ("yes", "2026-01-01", F)]
)
def test_a_coded_answer_is_present_when_it_says_so_in_the_window(answer: str, when: str, truth: Truth) -> None:
    assert answered(answer=concept(answer), when=day(when)).truth is truth


def answered(**changes: Any) -> Fact:
    given: dict[str, Any] = {"source": "Observation/1", "concept": concept("q"), "when": day("2026-05-20")}
    want = {
        "coded": ("q",), "look_back_days": 30, "answered": ("yes",), "answered_no": ("no",), "asks_for": (), "key": "",
    }  # fmt: skip
    return look(CompiledAnswer(**(COMMON | want)), measurements=(Measurement(**(given | changes)),))


@pytest.mark.parametrize(
    ("changes", "truth", "because", "trace"),
    [
        ({"said": True}, T, "recorded", False),
        ({"said": False}, F, "answered otherwise", False),
        ({"answer": concept("no")}, F, "answered otherwise", False),
        ({"answer": concept("perhaps")}, U, "the answer is not one this rule knows", True),
        ({"words": "Yes"}, U, "the answer is not one this rule knows", True),
        ({"value": 1.0}, U, "the answer is not one this rule knows", True),
        ({"said": True, "final": False}, U, "not final", True),
        ({"answer": concept("yes"), "final": False}, U, "not final", True),
        ({"answer": concept("perhaps"), "final": False}, U, "not final, the answer is not one this rule knows", True),
        ({"said": False, "final": False}, F, "none recorded. nobody wrote it down", False),
        ({"said": True, "when": None}, U, "recorded without a date", True),
        ({"said": False, "when": None}, F, "none recorded. nobody wrote it down", False),
        ({"said": True, "when": month(2026, 5)}, U, "its date is not precise enough", True),
        ({}, U, "asked 1 time, not answered", False),
    ],
)
def test_only_a_plain_final_answer_says_yes_or_no(
    changes: dict[str, Any], truth: Truth, because: str, trace: bool
) -> None:
    fact = answered(**changes)

    assert (fact.truth, sorted(fact.because.split(", ")), fact.trace) == (truth, sorted(because.split(", ")), trace)


@pytest.mark.parametrize(
    ("code", "truth"),
    [
        (Concept(), U),
        (Concept((Coding("urn:local", "998877"),)), U),
        (Concept((Coding("", "I71.4"),), "I71.4"), U),
        (Concept((Coding(SYSTEM, "b"),)), F),
        (Concept((Coding("urn:local", "998877", "Beta"),)), F),
        (Concept((), "MI"), F),
    ],
)
def test_what_nobody_could_tell_may_be_anything(code: Concept, truth: Truth) -> None:
    found = (
        look(condition(), diagnoses=diagnosed(concept=code)),
        look(CompiledAllergy(**COMMON), allergies=allergic(concepts=(code,))),
        look(
            CompiledProcedure(**COMMON),
            interventions=(Intervention("Procedure/1", code, day("2026-01-01"), "completed"),),
        ),
    )

    assert [fact.truth for fact in found] == [truth] * 3
    assert not any(fact.trace for fact in found)
    if truth is U:
        assert {fact.why_unknown for fact in found} == {WhyUnknown.UNREADABLE}
        assert all("could not be read" in fact.because for fact in found)


def test_what_nobody_could_tell_and_would_not_count_is_passed_over() -> None:
    nothing = Concept()

    assert look(condition(), diagnoses=diagnosed(concept=nothing, status="resolved")).truth is F
    assert look(condition(), diagnoses=diagnosed(concept=nothing, verification=Verification.WRONG)).truth is F
    assert look(condition(look_back_days=9), diagnoses=diagnosed(concept=nothing, onset=day("2026-01-01"))).truth is F
    assert (
        look(CompiledAllergy(**COMMON), allergies=allergic(concepts=(nothing,), verification=Verification.WRONG)).truth
        is F
    )


def test_a_nameless_entry_does_not_unsay_one_that_is_there() -> None:
    both = (*diagnosed(), *diagnosed(concept=Concept(), source="Condition/2"))
    doubted = (*diagnosed(verification=Verification.POSSIBLE), *diagnosed(concept=Concept(), source="Condition/2"))

    assert look(condition(), diagnoses=both).truth is T
    assert look(condition(), diagnoses=doubted).because == "not confirmed; 1 condition could not be read"
    assert look(condition(), diagnoses=doubted).trace is True


PAST, FUTURE = day("2026-05-01"), day("2026-06-02")


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({"status": "active", "abated": FUTURE}, T),
        ({"status": "active", "abated": day("2026-06-01")}, U),
        ({"status": "active", "abated": month(2026, 6)}, U),
        ({"status": "active", "over": True}, U),
        ({"status": NOT_UNDERSTOOD}, U),
        ({"status": "", "abated": PAST}, F),
        ({"status": "", "over": True}, F),
        ({"status": "", "abated": month(2026, 6)}, U),
        ({"status": "", "abated": FUTURE}, T),
        ({"status": "resolved", "abated": PAST}, F),
    ],
)
def test_what_has_ended_is_not_active(changes: dict[str, Any], truth: Truth) -> None:
    assert look(condition(), diagnoses=diagnosed(**changes)).truth is truth
    assert look(condition(statuses=None), diagnoses=diagnosed(**changes)).truth is T


def test_what_has_ended_counts_where_its_end_is_asked_for() -> None:
    want = condition(statuses=frozenset({"resolved"}))

    assert look(want, diagnoses=diagnosed(abated=PAST)).truth is T
    assert look(want, diagnoses=diagnosed(status="resolved")).truth is T
    assert look(want, diagnoses=diagnosed(status="active")).truth is F


@pytest.mark.parametrize(
    ("onset", "recorded", "truth"),
    [
        ("2025-01-01", "2026-05-30", T),
        ("2026-05-30", "2025-01-01", T),
        ("2025-01-01", "2025-01-02", F),
        ("2026-06-02", "2026-06-02", F),
        ("2026-06-02", "2026-05-30", T),
    ],
)
def test_every_day_of_an_active_entry_counts_but_only_the_onset_of_history(
    onset: str, recorded: str, truth: Truth
) -> None:
    entry = diagnosed(status="active", onset=day(onset), recorded=day(recorded))

    assert look(condition(look_back_days=30), diagnoses=entry).truth is truth
    assert look(condition(look_back_days=30, statuses=None), diagnoses=entry).truth is Truth.of(onset == "2026-05-30")


def test_a_vague_day_of_an_active_entry_leaves_it_open() -> None:
    entry = diagnosed(status="active", onset=day("2025-01-01"), recorded=month(2026, 5))

    assert look(condition(look_back_days=10), diagnoses=entry).truth is U


def test_an_allergy_of_a_status_nobody_understands_is_possible() -> None:
    assert look(CompiledAllergy(**COMMON), allergies=allergic(status=NOT_UNDERSTOOD)).truth is U


NAUSEA, RASH = Concept((), "alpha"), Concept((), "rash")


@pytest.mark.parametrize(
    ("kind", "effects", "without", "just"),
    [
        ("intolerance", (NAUSEA,), F, T),
        ("intolerance", (concept("a"), NAUSEA), F, T),
        ("intolerance", (NAUSEA, RASH), U, F),
        ("intolerance", (), U, F),
        ("allergy", (NAUSEA,), T, F),
        ("", (NAUSEA,), T, F),
    ],
)
def test_an_intolerance_with_nothing_but_certain_effects_is_told_apart(
    kind: str, effects: tuple[Concept, ...], without: Truth, just: Truth
) -> None:
    entry = allergic(concepts=(concept("q"),), type=kind, effects=effects)

    def found(**limits: Any) -> Truth | None:
        return look(CompiledAllergy(**(COMMON | {"coded": ("q",)} | limits)), allergies=entry).truth

    assert found(unless_only=("a",)) is without
    assert found(only=("a",)) is just


def test_an_allergy_nobody_can_read_is_no_intolerance_of_a_kind() -> None:
    entry = allergic(concepts=(Concept(),))

    assert look(CompiledAllergy(**COMMON), allergies=entry).truth is U
    assert look(CompiledAllergy(**COMMON, only=("a",)), allergies=entry).truth is F


def test_a_code_left_out_by_name_is_not_found_by_its_words() -> None:
    left_out = Concept((Coding(SYSTEM, "a-root-not", "Alpha"),))
    other = Concept((Coding(SYSTEM, "b", "Alpha"),))

    assert look(condition(), diagnoses=diagnosed(concept=left_out)).truth is F
    assert look(condition(), diagnoses=diagnosed(concept=other)).truth is U
