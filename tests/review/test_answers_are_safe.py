"""Whatever is answered, no safety conclusion gets more permissive in silence, and no card about suicide risk goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.resource_writer import FhirWriterError
from cds.authoring.testing.run import record_of
from cds.cards.card import Card
from cds.decide import Decision, decide
from cds.errors import RequestError
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.record.forms import with_responses
from cds.record.model import PatientRecord
from cds.review.questionnaire import drug_table, trial_drugs
from cds.review.questions import review_of
from cds.review.response import TrialAnswers, panel_response, questionnaire_response
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.terminology.drugs import DrugTable
from cds.terminology.review_form import ReviewForm
from tests.server import ROOT, TODAY
from tests.test_nothing_unread_is_no import NEVER_TO_FALSE, NEVER_TO_TRUE

Patient = tuple[str, PatientRecord, date, str | None]
RULES = load_rules(ROOT / "rules", None, TODAY)
FORM = cast("ReviewForm", RULES.program.codes.review)
DRUGS = trial_drugs(cast("DrugTable", drug_table(RULES.program)))
AUTHOR = "Dr. Doe"
UNANSWERED = "suicide_item_missing"
"""The one card about suicide risk that an answer may end: it asks for the very answer."""


@cache
def patients() -> tuple[Patient, ...]:
    """Every patient of the examples and of the cases of the rules, with the day and the service it is asked for."""
    found: list[Patient] = []
    for path in sorted((ROOT / "fhir_examples").glob("*/request.json")):
        record, service = read_record(path.read_bytes(), RULES, Settings())
        found.append((path.parent.name, record, TODAY, service))
    for case in read_rule_tests(ROOT / "rules").cases:
        try:
            found.append((case.name, record_of(case, RULES), case.today, case.service or None))
        except (RequestError, FhirWriterError):  # nothing is decided of these
            continue
    return tuple(found)


@cache
def decided_before(number: int) -> Decision:
    _, record, today, service = patients()[number]
    return decide(RULES, record, today, service)


@st.composite
def trial_answers(draw: Any, *roles: str) -> Mapping[str, str | float]:
    """Any answers to some of these questions of a trial."""
    values: dict[str, Any] = {}
    for role in roles:
        answers = FORM.questions[role].answers
        values[role] = st.sampled_from(sorted(answers)) if answers else st.sampled_from([1.0, 4.0, 12.0, 150.0, 600.0])
    said: Mapping[str, str | float] = draw(st.fixed_dictionaries({}, optional=values))
    return said


@st.composite
def reviews(draw: Any, number: int) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
    """QuestionnaireResponses with any answers about a patient; with them, the answers to the panel."""
    was, (_, _, today, _) = decided_before(number), patients()[number]
    found = was.facts[FORM.trials].trials if FORM.trials in was.facts.by_name else ()
    roles = ("taken", "dose", "duration", "outcome", "stopped", "prescribed")
    asked = {n: trial_answers(*roles) for n in range(len(found))}
    start = st.builds(date, st.integers(today.year - 2, today.year - 1), st.integers(1, 12), st.integers(1, 28))
    elsewhere = [
        TrialAnswers(draw(st.sampled_from(DRUGS)), {"start": draw(start).isoformat(), **draw(trial_answers(*roles))})
        for _ in range(draw(st.integers(0, 3)))
    ]
    statements = draw(st.fixed_dictionaries({}, optional={name: st.booleans() for name in FORM.statements}))
    panel = FORM.panels[0]
    answered = draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries({}, optional={code: st.sampled_from(sorted(panel.answers)) for code in panel.items}),
            st.fixed_dictionaries({code: st.sampled_from(sorted(panel.answers)) for code in panel.items}),
        )
    )
    trials = {n: said for n, one in asked.items() if (said := draw(one))}
    said = replace(
        review_of(was, trials, statements, FORM, elsewhere=elsewhere, others=draw(st.none() | st.booleans())),
        author=AUTHOR,
        authored=datetime(today.year, today.month, today.day, 0, 30, tzinfo=UTC),
    )
    made = [questionnaire_response(FORM, said)]
    if answered:
        made.append(panel_response(FORM, panel, answered, said))
    return made, answered


def about_suicide_risk(cards: tuple[Card, ...]) -> dict[str, int]:
    """Cards about suicide risk that are shown, with their rank: 1 is the most urgent."""
    compiled = {card.name: card for card in RULES.program.cards.values()}
    return {card.name: compiled[card.name].rank for card in cards if compiled[card.name].rule.id == "suicidality"}


def says_who(card: Card) -> bool:
    return AUTHOR in card.detail or any(one.startswith("QuestionnaireResponse/answer-") for one in card.references)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_answers_leave_safety_as_it_is_or_say_who_answered(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(patients()) - 1))
    name, record, today, service = patients()[number]
    was = decided_before(number)
    made, answered = data.draw(reviews(number))

    with_them = with_responses(record, [(f"answer-{n}", msgspec.json.encode(one)) for n, one in enumerate(made)])
    now = decide(RULES, with_them, today, service)

    before, after = about_suicide_risk(was.cards), about_suicide_risk(now.cards)
    if before and not (set(before) == {UNANSWERED} and FORM.panels[0].safety in answered):
        assert after, name
        assert min(after.values()) <= min(before.values()), name  # another one only where it is more urgent
    for head in NEVER_TO_FALSE:
        if head != "treatment_resistant_depression" and head in was.truths and was.truths[head] is Truth.TRUE:
            assert now.truths[head] is not Truth.FALSE, (name, head)
    looser = [
        head
        for head in NEVER_TO_FALSE
        if head in was.truths
        and (was.truths[head], now.truths[head])
        in {(Truth.TRUE, Truth.UNKNOWN), (Truth.TRUE, Truth.FALSE), (Truth.UNKNOWN, Truth.FALSE)}
    ]
    looser += [
        head
        for head in NEVER_TO_TRUE
        if head in was.truths and was.truths[head] is not Truth.TRUE and now.truths[head] is Truth.TRUE
    ]
    came = {card.name for card in now.cards} - {card.name for card in was.cards}
    for card in now.cards:
        if looser or card.name in came:
            assert says_who(card), (name, card.name, looser)


@pytest.mark.seconds
def test_a_card_that_stays_names_the_form_that_said_there_is_no_risk() -> None:
    """A PHQ-9 of 0 beside a BDI-II of 63: the card speaks of the BDI-II alone, and no card asks about suicide risk."""
    number = next(n for n, (name, *_) in enumerate(patients()) if name == "A BDI-II of 63 is one")
    _, record, today, service = patients()[number]
    panel = FORM.panels[0]
    said = replace(
        review_of(decided_before(number), {}, {}, FORM),
        author=AUTHOR,
        authored=datetime(today.year, today.month, today.day, 0, 30, tzinfo=UTC),
    )
    least = min(panel.answers, key=lambda answer: panel.answers[answer][1])
    filled = panel_response(FORM, panel, dict.fromkeys(panel.items, least), said)

    now = decide(RULES, with_responses(record, [("answer-0", msgspec.json.encode(filled))]), today, service)

    (card,) = now.cards
    assert "BDI-II" in card.detail and "PHQ-9" not in card.detail
    assert says_who(card)
