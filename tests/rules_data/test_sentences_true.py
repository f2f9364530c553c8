"""
What a card says of a patient is so: over every case and every example, from the rule files themselves.

Sentences about ECT, psychosis, receiving and stopping are found in the texts of all rule files; the facts that they are
about, by the value sets these facts read. A sentence that speaks of a thing as an option or a question is named below.
A new sentence is named there, too, or its facts may not be false where it is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from cds.authoring.testing.run import record_of
from cds.cards.card import Card
from cds.cards.render import write_cards
from cds.decide import Decision, decide
from cds.engine.evaluator import EvaluatorMode
from cds.engine.kleene import KleeneEvaluator
from cds.errors import RequestError
from cds.facts.fact import Fact
from cds.logic.conditions import All, Any, names_in
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.record.model import PatientRecord
from cds.rulebook.compiled_ruleset import CardText, NoteText
from cds.rulebook.format.cards import PLACEHOLDER
from cds.settings import Settings
from tests.shipped import ROOT, TODAY, shipped_cases, shipped_program, shipped_rules

pytestmark = pytest.mark.slow
PROGRAM = shipped_program()


@dataclass(frozen=True)
class Topic:
    """What sentences speak of: by which words, and from which value sets its facts are read."""

    words: re.Pattern[str]
    sets: re.Pattern[str]

    def facts(self) -> list[str]:
        """Facts of the rule files that read one of the sets."""
        return [fact.name for fact in PROGRAM.wanted if any(map(self.sets.search, sets_of(fact.name)))]


def sets_of(name: str) -> set[str]:
    """The value sets a fact names, in whatever place."""
    fact = next(fact for fact in PROGRAM.wanted if fact.name == name)
    places = (getattr(fact, place) for place in fact.__dataclass_fields__)
    named = {one for place in places if isinstance(place, tuple | frozenset) for one in place if isinstance(one, str)}
    return named & PROGRAM.codes.sets.keys()


TOPICS = {
    "ECT": Topic(re.compile(r"\bECT\b|electroconvulsive", re.I), re.compile(r"^ect$")),
    "psychosis": Topic(re.compile(r"\bpsychos[ie]s\b|\bpsychotic\b", re.I), re.compile(r"psychotic")),
    "receiving": Topic(
        re.compile(r"\b(receives?|receiving|received|in treatment with)\b", re.I),
        re.compile(r"^(target-therapy|esketamine.*)$"),
    ),
}
# Options and questions say nothing is so.
ADVICE = re.compile(
    r"such as ECT|ECT, or an antidepressant with an antipsychotic, is usually considered first|ask about [^)]*\)"
)
DENIED = {"no bipolar or primary psychotic disorder recorded": ("bipolar_disorder", "psychotic_disorder")}
# A sentence about either of two things.
EITHER = {"bipolar or psychotic disorder": ("bipolar_disorder",)}
PRESENT = re.compile(r"\b(receives|receiving)\b", re.I)


@dataclass(frozen=True)
class Answered:
    """A patient, and what was decided of them."""

    name: str
    record: PatientRecord
    decision: Decision


@pytest.fixture(scope="module")
def answered() -> list[Answered]:
    return list(everybody())


def everybody() -> Iterator[Answered]:
    rules = shipped_rules(EvaluatorMode.DIRECT)
    for case in shipped_cases().cases:
        if case.with_:
            continue  # of other rules
        try:
            record = record_of(case, rules)
        except RequestError:
            continue
        yield answered_of(case.name, record, case.today)
    for path in sorted((ROOT / "fhir_examples").glob("*/request.json")):
        record, _ = read_record(path.read_bytes(), rules, Settings())
        yield answered_of(path.parent.name, record, TODAY)


def answered_of(name: str, record: PatientRecord, today: date) -> Answered:
    return Answered(name, record, decide(shipped_rules(EvaluatorMode.DIRECT), record, today))


def sentences_of(one: Answered, card: Card) -> Iterator[str]:
    """The sentences of the rule file that this card shows, without what is filled in from the chart."""
    text = PROGRAM.cards[card.name]
    holding = [note for note in text.notes if one.decision.truths[note.head] is Truth.TRUE]
    strongest = None if text.keep_summary else next((note for note in holding if note.summary), None)
    for said in (strongest.summary if strongest else text.summary, text.detail, *(note.say for note in holding)):
        for line in said.split("\n"):
            yield from re.split(r"(?<=[.;:?])\s", ADVICE.sub("", PLACEHOLDER.sub("", line)))


def is_false(fact: Fact) -> bool:
    return fact.truth is Truth.FALSE or (fact.truth is None and fact.high == 0)


def test_every_topic_has_sentences_and_facts() -> None:
    texts = [
        text
        for card in PROGRAM.cards.values()
        for text in (card.summary, card.detail, *(said for note in card.notes for said in (note.say, note.summary)))
    ]
    for name, topic in TOPICS.items():
        assert topic.facts(), name
        assert any(topic.words.search(text) for text in texts), name


@pytest.mark.parametrize("name", TOPICS)
def test_a_sentence_is_shown_only_where_its_fact_is_not_false(name: str, answered: list[Answered]) -> None:
    topic, wrong, said = TOPICS[name], [], 0
    facts = topic.facts()
    for one in answered:
        for card in one.decision.cards:
            for sentence in filter(topic.words.search, sentences_of(one, card)):
                if any(words in sentence for words in DENIED):
                    continue
                said += 1
                about = [*facts, *(name for words, names in EITHER.items() if words in sentence for name in names)]
                if all(is_false(one.decision.facts[fact]) for fact in about):
                    wrong.append(f"{one.name}: {card.name}: {sentence}")
    assert wrong == []
    assert said or name == "ECT", "no card shows such a sentence, so that this proves nothing"


def test_what_is_said_to_be_absent_is_false(answered: list[Answered]) -> None:
    wrong = [
        f"{one.name}: {card.name}: {fact}"
        for one in answered
        for card in one.decision.cards
        for words, facts in DENIED.items()
        if words in card.detail
        for fact in facts
        if one.decision.facts[fact].truth is not Truth.FALSE
    ]
    assert wrong == []


def test_who_is_said_to_receive_it_now_does(answered: list[Answered]) -> None:
    wrong = [
        f"{one.name}: {card.name}: {sentence}"
        for one in answered
        for card in one.decision.cards
        for sentence in filter(PRESENT.search, sentences_of(one, card))
        if not any(one.decision.facts[fact].truth is Truth.TRUE for fact in TOPICS["receiving"].facts())
    ]
    assert wrong == []


def test_a_trial_that_goes_on_is_not_said_to_have_stopped_or_ended(answered: list[Answered]) -> None:
    ended = re.compile(r"\bstopped\b|\bended\b|at the end|until \d")
    wrong, going_on = [], 0
    for one in answered:
        trials = {trial for fact in one.decision.facts.by_name.values() for trial in fact.trials if trial.ongoing}
        going_on += len(trials)
        names = {trial.name for trial in trials} - {
            trial.name for fact in one.decision.facts.by_name.values() for trial in fact.trials if not trial.ongoing
        }
        for card in one.decision.cards:
            for line in card.detail.split("\n"):
                if ended.search(line) and any(f"**{name}**" in line for name in names):
                    wrong.append(f"{one.name}: {card.name}: {line}")
    assert wrong == []
    assert going_on


# ---------------------------------------------------------------- strong cautions


def strong(text: CardText) -> list[NoteText]:
    """Notes that make a card a warning, and give its summary."""
    return [] if text.keep_summary else [note for note in text.notes if note.indicator == "warning"]


def families() -> dict[str, list[CardText]]:
    """Cards for information with strong cautions, by the service that shows them: each has its own way to a warning."""
    found: dict[str, list[CardText]] = {}
    for card in PROGRAM.cards.values():
        if strong(card) and card.indicator == "info":
            found.setdefault(card.services[0], []).append(card)
    return found


STRONG = [(card.name, note.head) for cards in families().values() for card in cards for note in strong(card)]


def test_strong_cautions_are_found_in_the_rule_files() -> None:
    assert len(STRONG) >= 20
    for name in {name for name, _ in STRONG}:
        notes = strong(PROGRAM.cards[name])
        assert all(note.summary for note in notes), f"{name} has a strong caution without a summary"
        assert max(Counter(note.summary for note in notes).values()) == 1, f"two cautions of {name} say the same"


def plain_names(name: str) -> set[str]:
    """What a conclusion that joins others by `any` stands for."""
    head = PROGRAM.heads.get(name)
    if head is None or not isinstance(head.condition, Any):
        return {name}
    return set().union(*(plain_names(one) for one in names_in(head.condition)))


SUGGESTING = ("suggest_evaluation", "confirm_before_evaluation", "already_treated", "therapy_order_caution")


@pytest.mark.parametrize("card", SUGGESTING)
def test_each_thing_the_rules_call_a_strong_caution_is_one_on_each_card(card: str) -> None:
    """A caution that is added to the one list and forgotten on a card is found here."""
    listed = names_in(PROGRAM.heads["strong_caution"].condition)
    has = {name for note in strong(PROGRAM.cards[card]) for name in names_in(PROGRAM.heads[note.head].condition)}
    has = set().union(*(plain_names(name) for name in has))
    lacking = {one for name in listed for one in plain_names(name)} - has
    if card in {"suggest_evaluation", "confirm_before_evaluation"}:
        lacking -= plain_names("psychotic_disorder")  # shows the card outside_criteria instead
    assert lacking == set()


@pytest.mark.parametrize(("card", "head"), STRONG)
def test_two_patients_who_differ_in_one_strong_caution_alone_get_other_cards(
    card: str, head: str, answered: list[Answered]
) -> None:
    """A patient of a case whose card is for information, and the same with this caution and nothing else changed."""
    service = PROGRAM.cards[card].services[0]
    cautions = {note.head for one in families()[service] for note in strong(one)}
    base = next(
        one
        for one in answered
        if any(shown.name == card and shown.indicator == "info" for shown in one.decision.cards)
        and not any(one.decision.truths[caution] is Truth.TRUE for caution in cautions)
    )
    truths = with_caution(base, head)
    assert truths[head] is Truth.TRUE, "the caution does not follow from what its condition names"
    before = next(shown for shown in base.decision.cards if shown.name == card)
    after = write_cards(PROGRAM, base.record, base.decision.facts, truths, service)[0]
    assert (before.indicator, after.indicator) == ("info", "warning")
    assert before.summary != after.summary


def test_each_strong_caution_is_the_summary_of_some_case(answered: list[Answered]) -> None:
    shown = {head for one in answered for head in summary_heads(one)}
    says = {PROGRAM.heads[head].condition for head in shown}
    missing = [head for _, head in STRONG if PROGRAM.heads[head].condition not in says]
    assert missing == [], "write a case next to the rules"


def summary_heads(one: Answered) -> Iterator[str]:
    """The notes that give the summaries of the cards of a patient."""
    for card in one.decision.cards:
        text = PROGRAM.cards[card.name]
        holding = (note for note in text.notes if one.decision.truths[note.head] is Truth.TRUE and note.summary)
        strongest = None if text.keep_summary else next(holding, None)
        if strongest is not None:
            yield strongest.head


def with_caution(base: Answered, head: str) -> dict[str, Truth]:
    """What is concluded of the patient if what the caution names is so, and all else as it is."""
    named = names_in(PROGRAM.heads[head].condition)
    conditions = {name: one.condition for name, one in PROGRAM.heads.items()}
    conditions |= {name: All(()) for name in named if name in conditions}
    facts = base.decision.facts.by_name.values()
    statements = {fact.name: fact.truth for fact in facts if fact.truth is not None}
    statements |= {name: Truth.TRUE for name in named if name in statements}
    ranges = {fact.name: (fact.low, fact.high) for fact in facts if fact.low is not None and fact.high is not None}
    return KleeneEvaluator(conditions).run(statements, ranges)
