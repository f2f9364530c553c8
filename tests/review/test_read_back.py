"""A review that comes back from the EHR settles what was unknown or inferred, and nothing silently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds.authoring.strict_fhir import strict_fhir
from cds.decide import Decision, decide
from cds.facts.fact import ResponseEvidence
from cds.logic.conditions import names_in
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.review.questionnaire import questionnaire_of
from cds.review.questions import AnswersNeeded, answers_needed, open_questions, review_of
from cds.review.response import ReviewAnswers, TrialAnswers, questionnaire_response
from cds.settings import Settings
from cds.terminology.review_form import ReviewForm
from scripts import answers_needed as answers_needed_script
from tests.server import ROOT, TODAY
from tests.shipped import shipped_rules

Json = dict[str, Any]
RULES = shipped_rules()
FORM = cast("ReviewForm", RULES.program.codes.review)
DAY = datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC)
EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))


def example(number: str) -> Json:
    (folder,) = (ROOT / "fhir_examples").glob(f"{number}-*")
    read: Json = json.loads((folder / "request.json").read_text())
    return read


def decided(request: Json, *responses: Json) -> Decision:
    """The answer to a hook call whose prefetch brings these reviews: the way they come back from the EHR."""
    sent = json.loads(json.dumps(request))
    forms = sent["prefetch"].setdefault("questionnaireResponses", {"resourceType": "Bundle", "type": "searchset"})
    forms["entry"] = [
        *(forms.get("entry") or []),
        *({"resource": {"id": f"review-{n}"} | response} for n, response in enumerate(responses)),
    ]
    forms["total"] = len(forms["entry"])
    record, service = read_record(json.dumps(sent).encode(), RULES, Settings())
    return decide(RULES, record, TODAY, service)


def review(
    *trials: TrialAnswers, statements: Mapping[str, bool] | None = None, on: datetime = DAY, **changes: Any
) -> Json:
    said = ReviewAnswers("Patient/example", "Dr. Doe", "Practitioner/7", on, trials, statements or {})
    return questionnaire_response(FORM, said) | changes


VENLAFAXINE = TrialAnswers("venlafaxine", {"start": "2025-05-10", "dose": 150.0, "duration": 12.0})
HEAD = "treatment_resistant_depression"


def test_a_review_settles_an_unknown_dose_and_the_card_says_who_said_so() -> None:
    before = decided(example("05"))
    after = decided(example("05"), review(VENLAFAXINE))

    assert before.truths[HEAD] is Truth.UNKNOWN
    assert after.truths[HEAD] is Truth.TRUE
    assert [card.name for card in before.cards] != [card.name for card in after.cards]
    assert any("QuestionnaireResponse/review-0" in card.references for card in after.cards)


def test_a_review_replaces_an_inference() -> None:
    was = decided(example("14")).facts["antidepressant_trials"].trials
    said = [
        TrialAnswers(trial.ingredient, {"start": trial.start.latest.isoformat(), "outcome": "good-benefit"})
        for trial in was
        if trial.start is not None
    ]

    now = decided(example("14"), review(*said)).facts["antidepressant_trials"].trials

    assert ResponseEvidence.INFERRED in {trial.evidence for trial in was}
    for before, after in zip(was, now, strict=True):
        if before.evidence is ResponseEvidence.INFERRED:
            assert (after.evidence, after.no_response) == (ResponseEvidence.REVIEWED, Truth.FALSE)
            assert "reviewed by Dr. Doe on 2026-06-01" in after.outcome


def test_against_a_coded_stop_reason_a_review_does_not_win_silently() -> None:
    said = TrialAnswers("sertraline", {"start": "2025-02-01", "outcome": "good-benefit"})

    (trial, *_) = decided(example("01"), review(said)).facts["antidepressant_trials"].trials

    assert trial.no_response is Truth.UNKNOWN
    assert "stopped as ineffective" in trial.outcome
    assert "reviewed by Dr. Doe" in trial.outcome


@pytest.mark.parametrize(("unit", "truth"), [("wk", Truth.TRUE), ("d", Truth.UNKNOWN)])
def test_a_quantity_counts_in_the_unit_that_was_asked_for(unit: str, truth: Truth) -> None:
    sent = review(VENLAFAXINE)
    for item in sent["item"][0]["item"]:
        if item["linkId"] == "trial.duration":
            item["answer"] = [{"valueQuantity": {"value": 12, "code": unit, "system": "http://unitsofmeasure.org"}}]

    assert decided(example("05"), sent).truths[HEAD] is truth


def test_a_dose_the_chart_has_surely_is_not_overruled() -> None:
    said = TrialAnswers("sertraline", {"start": "2025-02-01", "dose": 25.0, "duration": 2.0})

    (trial, *_) = decided(example("01"), review(said)).facts["antidepressant_trials"].trials

    assert trial.adequate is Truth.UNKNOWN
    assert any("contradict each other" in note for note in trial.notes)


@pytest.mark.parametrize("status", ["entered-in-error", "in-progress", "stopped"])
def test_a_review_that_is_withdrawn_or_not_finished_says_nothing(status: str) -> None:
    after = decided(example("05"), review(VENLAFAXINE, status=status))

    assert after.truths[HEAD] is Truth.UNKNOWN


def test_an_amended_review_counts() -> None:
    assert decided(example("05"), review(VENLAFAXINE, status="amended")).truths[HEAD] is Truth.TRUE


def test_the_newest_of_two_reviews_counts() -> None:
    old = review(VENLAFAXINE, on=DAY.replace(month=1))
    new = review(TrialAnswers("venlafaxine", {"start": "2025-05-10", "dose": 10.0, "duration": 12.0}))

    for sent in ((old, new), (new, old)):
        assert decided(example("05"), *sent).truths[HEAD] is Truth.FALSE


def test_two_reviews_of_one_day_that_contradict_each_other_settle_nothing() -> None:
    other = review(TrialAnswers("venlafaxine", {"start": "2025-05-10", "dose": 10.0, "duration": 12.0}))

    assert decided(example("05"), review(VENLAFAXINE), other).truths[HEAD] is Truth.UNKNOWN


def test_an_order_after_the_review_is_not_covered_by_it() -> None:
    request = example("05")
    orders = request["prefetch"]["medicationRequests"]["entry"]
    again = json.loads(json.dumps(orders[1]["resource"])) | {"id": "venlafaxine-again", "authoredOn": "2025-08-15"}
    again["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": "2025-08-15", "end": "2025-09-30"}
    orders.append({"resource": again})

    after = decided(request, review(VENLAFAXINE, on=DAY.replace(year=2025, month=8, day=1)))

    assert after.truths[HEAD] is Truth.UNKNOWN


def test_a_trial_elsewhere_counts_when_it_is_stated_in_full() -> None:
    request = example("05")
    request["prefetch"]["medicationRequests"]["entry"].pop()
    elsewhere = TrialAnswers(
        "mirtazapine", {"start": "2025-06-01", "dose": 30.0, "duration": 10.0, "outcome": "no-benefit"}
    )

    after = decided(request, review(elsewhere))

    assert after.truths[HEAD] is Truth.TRUE
    added = after.facts["antidepressant_trials"].trials[-1]
    assert (added.evidence, added.sources) == (ResponseEvidence.REVIEWED, ("QuestionnaireResponse/review-0",))


def test_a_review_without_a_day_or_of_tomorrow_settles_nothing() -> None:
    for authored in (None, "2026-06-20T09:00:00+00:00"):
        sent = review(VENLAFAXINE) | {"authored": authored}
        after = decided(example("05"), {key: value for key, value in sent.items() if value is not None})

        assert after.truths[HEAD] is Truth.UNKNOWN


def test_definitions_say_whether_they_take_a_review() -> None:
    names = {one.id: one.head for one in RULES.program.definitions[HEAD]}
    said = [
        TrialAnswers(drug, {"start": start, "dose": 300.0, "duration": 12.0, "outcome": "no-benefit"})
        for drug, start in (("sertraline", "2025-02-01"), ("venlafaxine", "2025-05-10"))
    ]

    truths = decided(example("14"), review(*said)).truths

    assert truths[names["delphi-2022"]] is Truth.TRUE
    assert truths[names["strict"]] is not Truth.TRUE


# ---------------------------------------------------------------- facts


def test_a_statement_settles_a_fact_that_was_not_sent_and_every_card_says_who_said_so() -> None:
    after = decided(example("12"), review(statements={"ketamine_allergy": False}))

    fact = after.facts["ketamine_allergy"]
    assert (fact.truth, fact.stated_by) == (Truth.FALSE, "no, reviewed by Dr. Doe on 2026-06-01")
    assert all("Stated by a clinician" in card.detail and "Dr. Doe" in card.detail for card in after.cards)


def test_a_no_against_a_recorded_contraindication_is_unknown_and_both_are_shown() -> None:
    request = example("10")
    for entry in request["prefetch"]["conditions"]["entry"]:
        entry["resource"]["recordedDate"] = "2019-05-01"

    fact = decided(request, review(statements={"aneurysm": False})).facts["aneurysm"]

    assert fact.truth is Truth.UNKNOWN
    assert fact.trace
    assert {found.reference.partition("/")[0] for found in fact.found} == {"Condition", "QuestionnaireResponse"}


@pytest.mark.parametrize("recorded", ["2026-05-01", None])
def test_a_no_does_not_cover_an_entry_that_is_newer_or_has_no_day(recorded: str | None) -> None:
    request, old = example("10"), DAY.replace(month=1)
    for entry in request["prefetch"]["conditions"]["entry"]:
        entry["resource"] |= {"recordedDate": recorded} if recorded else {}

    fact = decided(request, review(statements={"aneurysm": False}, on=old)).facts["aneurysm"]

    assert fact.truth is Truth.TRUE


def test_a_yes_counts_where_nothing_is_recorded() -> None:
    after = decided(example("01"), review(statements={"aneurysm": True}))

    assert after.facts["aneurysm"].truth is Truth.TRUE


def test_the_form_asks_for_facts_there_are() -> None:
    assert FORM.statements.keys() <= {fact.name for fact in RULES.program.wanted}


def rests_on(head: str) -> set[str]:
    found: set[str] = set()
    to_do = [head]
    while to_do:
        name = to_do.pop()
        if name not in found:
            found.add(name)
            to_do += names_in(RULES.program.heads[name].condition) if name in RULES.program.heads else ()
    return found


SUICIDE = [card for card in RULES.program.cards.values() if card.rule.id == "suicidality"]


def test_no_card_about_suicide_risk_rests_on_what_a_review_can_say() -> None:
    assert SUICIDE
    for card in SUICIDE:
        assert rests_on(card.head).isdisjoint({*FORM.statements, FORM.trials})


@pytest.mark.seconds
@settings(max_examples=25, deadline=None)
@given(
    path=st.sampled_from([path for path in EXAMPLES if json.loads(path.read_text())["hook"] == "patient-view"]),
    statements=st.dictionaries(st.sampled_from(sorted(FORM.statements)), st.booleans()),
    outcome=st.sampled_from(sorted(FORM.questions["outcome"].answers or ())),
)
def test_no_answer_is_silent_and_none_hides_a_card_about_suicide_risk(
    path: Any, statements: dict[str, bool], outcome: str
) -> None:
    request = json.loads(path.read_text())
    was = decided(request)
    trials: dict[int, dict[str, str | float]] = {
        n: {"outcome": outcome} for n in range(len(was.facts[FORM.trials].trials))
    }
    said = review_of(was, trials, statements, FORM)
    patient = replace(said, author="Dr. Doe", authored=DAY)

    now = decided(request, questionnaire_response(FORM, patient))

    for card in SUICIDE:
        assert (card.name in {c.name for c in was.cards}) <= (card.name in {c.name for c in now.cards})
    for name in FORM.statements:
        if now.facts[name].truth is not was.facts[name].truth:
            assert "reviewed by Dr. Doe" in now.facts[name].stated_by
            assert all("Dr. Doe" in card.detail for card in now.cards)


# ---------------------------------------------------------------- the form itself


def test_the_questionnaire_and_a_response_are_valid_fhir() -> None:
    made = questionnaire_of(RULES.program)
    assert made is not None
    assert (made["url"], made["version"]) == (FORM.url, FORM.version)
    assert strict_fhir(json.dumps(made).encode()) == []
    assert strict_fhir(json.dumps(review(VENLAFAXINE, statements={"aneurysm": False})).encode()) == []


def test_the_same_review_has_the_same_identifier_and_another_has_another() -> None:
    one, same = review(VENLAFAXINE), review(VENLAFAXINE)
    other = review(VENLAFAXINE, statements={"aneurysm": False})

    assert one["identifier"] == same["identifier"] != other["identifier"]


def test_what_the_chart_says_surely_is_not_asked() -> None:
    decision = decided(example("05"))

    asked = {(question.trial, question.role) for question in open_questions(RULES, decision, "ketamine-evaluation")}

    assert asked == {(1, role) for role in ("dose", "duration", "taken", "prescribed")}
    assert open_questions(RULES, decided(example("01")), "ketamine-evaluation") == ()


@pytest.mark.seconds
def test_the_median_example_that_is_unknown_needs_at_most_three_answers_and_the_page_says_so() -> None:
    needed = [one.most for _, one in answers_needed_script.needed(EXAMPLES, RULES, TODAY)]

    assert needed
    assert median(99 if one is None else one for one in needed) <= 3
    text = answers_needed_script.PAGE.read_text(encoding="utf-8")
    assert answers_needed_script.with_examples(text, RULES, TODAY) == text


@pytest.mark.seconds
def test_an_answer_against_the_chart_is_no_way_to_settle_it() -> None:
    """Two trials ended on a high score: "good" contradicts that and settles nothing, so that it is not counted."""
    decision = decided(example("15"))

    assert answers_needed(RULES, decision, "ketamine-evaluation") == AnswersNeeded(2, 3)


# ---------------------------------------------------------------- other trials, and answers that grow old


def unreadable(request: Json, *keys: str) -> Json:
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    request["prefetch"] |= dict.fromkeys(keys, failed)
    return request


def others(said: bool, on: datetime = DAY) -> Json:
    return questionnaire_response(
        FORM, ReviewAnswers("Patient/example", "Dr. Doe", "Practitioner/7", on, (), {}, others=said)
    )


def test_no_other_trial_closes_a_list_that_did_not_come_and_the_card_says_who_said_so() -> None:
    after = decided(example("08"), others(False))

    assert decided(example("08")).truths[HEAD] is Truth.UNKNOWN
    assert after.truths[HEAD] is Truth.FALSE
    assert "there was no other trial, reviewed by Dr. Doe" in after.facts[FORM.trials].stated_by
    assert all("Dr. Doe" in card.detail for card in after.cards)


def test_another_trial_leaves_the_list_open_even_one_that_came_whole() -> None:
    assert decided(example("02")).truths[HEAD] is Truth.FALSE
    assert decided(example("02"), others(True)).truths[HEAD] is Truth.UNKNOWN


def test_no_other_trial_holds_as_long_as_one_begun_since_cannot_be_adequate() -> None:
    weeks = int(RULES.program.parameters["adequate_duration"].value)
    last = DAY - timedelta(days=7 * weeks - 1)

    assert decided(example("08"), others(False, last)).truths[HEAD] is Truth.FALSE
    assert decided(example("08"), others(False, last - timedelta(days=1))).truths[HEAD] is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("ordered", "truth"), [("2025-05-10", Truth.FALSE), ("2026-05-30", Truth.UNKNOWN), (None, Truth.UNKNOWN)]
)
def test_no_other_trial_covers_a_drug_that_cannot_be_told_only_if_it_was_there(
    ordered: str | None, truth: Truth
) -> None:
    request = example("05")
    unread = request["prefetch"]["medicationRequests"]["entry"][1]["resource"]
    unread["medicationCodeableConcept"] = {"text": "Study drug 17"}
    del unread["authoredOn"]
    if ordered:
        unread["authoredOn"] = ordered
    else:
        unread["dosageInstruction"] = []

    assert decided(request).truths[HEAD] is Truth.UNKNOWN
    assert decided(request, others(False, DAY.replace(month=5, day=20))).truths[HEAD] is truth


def test_two_that_disagree_on_other_trials_settle_nothing() -> None:
    assert decided(example("08"), others(False), others(True)).truths[HEAD] is Truth.UNKNOWN


def test_a_diagnosis_that_was_not_sent_is_asked_for_and_counts_as_stated() -> None:
    request = unreadable(example("01"), "conditions")

    asked = {question.name for question in open_questions(RULES, decided(request), "ketamine-evaluation")}
    after = decided(
        request, review(statements={"major_depression": True, "bipolar_disorder": False, "psychotic_disorder": False})
    )

    assert "statement.major_depression" in asked
    assert after.truths[HEAD] is Truth.TRUE
    assert all("Dr. Doe" in card.detail for card in after.cards)


@pytest.mark.parametrize(
    ("said", "days", "truth"),
    [(False, 0, Truth.FALSE), (False, 1, Truth.UNKNOWN), (True, 89, Truth.TRUE), (True, 91, Truth.UNKNOWN)],
)
def test_what_was_said_of_the_last_days_does_not_tell_of_the_days_since(said: bool, days: int, truth: Truth) -> None:
    request = unreadable(example("01"), "conditions")

    answer = review(statements={"hypertensive_crisis": said}, on=DAY - timedelta(days=days))

    assert decided(request, answer).facts["hypertensive_crisis"].truth is truth


def test_a_benefit_that_was_lost_fits_a_high_score_at_the_end() -> None:
    said = TrialAnswers("escitalopram", {"start": "2026-01-05", "outcome": "benefit-lost"})

    (trial, *_) = decided(example("15"), review(said)).facts[FORM.trials].trials

    assert (trial.no_response, trial.response_lost, trial.contradictory) == (Truth.FALSE, True, False)
