"""What a reader is told of a decision: criteria, what is missing, findings by file, definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cds.decide import Decision, decide
from cds.engine.evaluator import EvaluatorMode
from cds.explanation.explanation import Criterion, Explanation, explanation_of, plain_conclusions
from cds.explanation.flips import flips
from cds.logic.truth import Truth
from cds.record.bundle import read_prefetch
from tests.server import ROOT, TODAY
from tests.shipped import shipped_rules

RULES = shipped_rules(EvaluatorMode.DIRECT)
SERVICE = RULES.program.services["ketamine-evaluation"]
NAMES = ("01-two-failed-trials", "05-dose-not-recorded", "06-bipolar-disorder", "38-ect-and-four-drugs")


def decided(name: str, **prefetch: Any) -> Decision:
    request = json.loads((ROOT / "fhir_examples" / name / "request.json").read_text())
    sent = {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in (request["prefetch"] | prefetch).items()}
    record = read_prefetch(
        sent,
        templates={one.key: one.query for one in SERVICE.prefetch},
        patient_id=request["context"]["patientId"],
        most_entries=1000,
        max_depth=64,
        sought=RULES.program.sought,
    )
    return decide(RULES, record, TODAY, SERVICE.id)


@pytest.fixture(scope="module", params=NAMES)
def explained(request: pytest.FixtureRequest) -> Explanation:
    return explanation_of(RULES, decided(request.param), SERVICE.id)


def every(criterion: Criterion) -> Iterator[Criterion]:
    yield criterion
    for part in criterion.parts:
        yield from every(part)


def test_every_card_that_is_shown_holds_by_its_criteria(explained: Explanation) -> None:
    assert [shown.card for shown in explained.shown] == list(explained.decision.cards)
    assert all(shown.criterion.truth is Truth.TRUE for shown in explained.shown)


def test_every_conclusion_is_found_in_its_rule_file_once_and_with_its_answer(explained: Explanation) -> None:
    listed = [
        (criterion.name, truth)
        for file in explained.files
        for criteria, truth in ((file.holds, Truth.TRUE), (file.open, Truth.UNKNOWN), (file.does_not_hold, Truth.FALSE))
        for criterion in criteria
    ]

    assert sorted(name for name, _ in listed) == sorted(plain_conclusions(RULES.program))
    assert all(explained.decision.truths[name] is truth for name, truth in listed)


def test_a_criterion_answers_its_own_words_whatever_must_be(explained: Explanation) -> None:
    criteria = [one for shown in explained.shown for one in every(shown.criterion)]

    assert not [one.words for one in criteria if one.words.startswith(("not: ", "unknown whether", "not ruled out"))]
    assert any(one.answer is not one.truth for one in criteria)
    for one in criteria:
        if one.name in explained.decision.truths:
            assert one.answer is explained.decision.truths[one.name], one.words


def test_a_criterion_names_the_entries_its_fact_rests_on(explained: Explanation) -> None:
    for shown in explained.shown:
        for one in every(shown.criterion):
            if one.name in explained.decision.facts.by_name:
                assert one.found == explained.decision.facts[one.name].found


def test_what_is_missing_leaves_open_what_is_unknown_and_nothing_else(explained: Explanation) -> None:
    heads = RULES.program.heads
    unknown = {
        heads[n].label for n in plain_conclusions(RULES.program) if explained.decision.truths[n] is Truth.UNKNOWN
    }

    assert {label for lacks in explained.lacking for label, _ in lacks.opens} <= unknown
    assert unknown
    assert explained.lacking


def test_what_could_settle_most_is_named_first(explained: Explanation) -> None:
    settles = [sum(could != "would not settle it alone" for _, could in lacks.opens) for lacks in explained.lacking]

    assert settles == sorted(settles, reverse=True)


def test_a_card_that_could_be_shown_says_what_is_missing() -> None:
    explained = explanation_of(RULES, decided("05-dose-not-recorded"), SERVICE.id)

    open_cards = {card.name for card in explained.open}
    assert open_cards == {
        name for name in SERVICE.cards if explained.decision.truths[RULES.program.cards[name].head] is Truth.UNKNOWN
    }
    assert any("venlafaxine dose" in item.what for card in explained.open for item in card.missing)


def test_every_definition_stands_beside_the_one_in_use(explained: Explanation) -> None:
    for definitions in explained.definitions:
        assert sum(definition.in_use for definition, _ in definitions.each) == 1
        for definition, criterion in definitions.each:
            assert criterion.truth is explained.decision.truths[definition.head]


def test_nothing_flips_between_a_decision_and_itself() -> None:
    one = decided("01-two-failed-trials")

    same = flips(RULES, one, decided("01-two-failed-trials"))

    assert (same.gone, same.come, same.conclusions, same.facts) == ((), (), (), ())
    assert same.stay == tuple(card.summary for card in one.cards)


def test_what_flips_is_what_differs() -> None:
    was, now = decided("05-dose-not-recorded"), decided("01-two-failed-trials")

    found = flips(RULES, was, now)

    heads = RULES.program.heads
    plain = {(heads[n].label, was.truths[n], now.truths[n]) for n in plain_conclusions(RULES.program)}
    assert {(f.label, f.was, f.now) for f in found.conclusions if not f.definition} == {
        p for p in plain if p[1] != p[2]
    }
    assert found.gone == tuple(card.summary for card in was.cards)
    assert found.come == tuple(card.summary for card in now.cards)
    assert any(f.definition for f in found.conclusions)
    assert found.facts
