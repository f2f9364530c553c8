"""The whole flow: program + record + today → Decision. The file to read first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any

from cds.cards.card import Card
from cds.cards.render import write_cards
from cds.engine.evaluator import Evaluator
from cds.facts.evaluate import evaluate_facts
from cds.facts.fact import Facts
from cds.logic.truth import Truth
from cds.record.model import PatientRecord
from cds.rulebook.compiled_ruleset import CompiledRuleset, Published


@dataclass(frozen=True, slots=True)
class Conclusions:
    """
    What the rules conclude from one record.

    Attributes:
        today: The day it was decided for.
        record: The record it was decided from.
        facts: What was found in the record, and what could not be.
        truths: Every conclusion, card and note → true, false or unknown.
    """

    today: date
    record: PatientRecord
    facts: Facts
    truths: Mapping[str, Truth]


@dataclass(frozen=True, slots=True)
class Decision(Conclusions):
    """
    The answer to one request.

    Attributes:
        cards: What is shown, most important first.
    """

    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A program and the reasoner made of it: built once at start, used for every request."""

    program: CompiledRuleset
    reasoner: Evaluator


def truth_of(published: Published, decision: Conclusions) -> Truth:
    """
    Whether a published definition is met.

    Unknown instead of true where it asks for something that no record tells.
    """
    truth = decision.truths[published.head]
    return Truth.UNKNOWN if truth is Truth.TRUE and published.not_in_chart else truth


def index_day(published: Published, decision: Conclusions) -> date | None:
    """
    The first day on which a published definition is met.

    None while it is not met for certain, where its algorithm has no day, and where an earlier day cannot be ruled out.
    """
    if truth_of(published, decision) is not Truth.TRUE:
        return None
    days = []
    for one in published.index_days:
        fact = decision.facts[one.fact]
        if one.reaches is not None:
            if len(fact.reached) >= one.reaches:
                days.append(fact.reached[one.reaches - 1])
            elif fact.high is None or fact.high >= one.reaches:
                return None
        elif fact.day is not None and fact.day.exact and fact.truth is not Truth.UNKNOWN:
            days.append(fact.day.earliest)
        elif fact.truth is not Truth.FALSE:
            return None
    return min(days, default=None)


def untimed(_: str) -> AbstractContextManager[Any]:
    """Nothing is told of a stage."""
    return nullcontext()


def conclude(
    rules: Ruleset,
    record: PatientRecord,
    today: date,
    stage: Callable[[str], AbstractContextManager[Any]] = untimed,
) -> Conclusions:
    """
    What the rules conclude, without the texts of cards. Pure: no clock, no network, no log.

    Args:
        rules: What decides.
        record: What is known of the patient.
        today: The day that is decided for.
        stage: Entered around each stage (facts, reasoning), so that a caller can time it.

    Raises:
        DisagreementError: The two opinions differ.
    """
    with stage("facts"):
        facts = evaluate_facts(rules.program.wanted, rules.program.codes, record, today)
    with stage("reasoning"):
        truths = rules.reasoner.conclude(facts)
    return Conclusions(today, record, facts, truths)


def decide(
    rules: Ruleset,
    record: PatientRecord,
    today: date,
    service: str | None = None,
    stage: Callable[[str], AbstractContextManager[Any]] = untimed,
) -> Decision:
    """
    Answer one request for one service, or for all services together: `conclude`, and the cards that follow from it.

    Args:
        rules, record, today: As for `conclude`.
        service: Whose cards; None: those of all services.
        stage: As for `conclude`; entered around the cards as well.

    Raises:
        DisagreementError: The two opinions differ; nobody gets a card.
    """
    found = conclude(rules, record, today, stage)
    with stage("cards"):
        cards = write_cards(rules.program, record, found.facts, found.truths, service)
    return Decision(today, record, found.facts, found.truths, cards)
