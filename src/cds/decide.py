"""The whole flow: program + record + today → Decision. The file to read first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cds.cards.card import Card
from cds.cards.render import write_cards
from cds.engine.evaluator import Evaluator
from cds.facts.evaluate import evaluate_facts
from cds.facts.fact import Facts
from cds.logic.truth import Truth
from cds.record.model import PatientRecord
from cds.rulebook.program import CompiledRuleset


@dataclass(frozen=True, slots=True)
class Decision:
    """
    The answer to one request.

    Attributes:
        today: The day it was decided for.
        facts: What was found in the record, and what could not be.
        truths: Every conclusion, card and note → true, false or unknown.
        cards: What is shown, most important first.
        record: The record it was decided from.
    """

    today: date
    facts: Facts
    truths: Mapping[str, Truth]
    cards: tuple[Card, ...]
    record: PatientRecord


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A program and the reasoner made of it: built once at start, used for every request."""

    program: CompiledRuleset
    reasoner: Evaluator


def decide(rules: Ruleset, record: PatientRecord, today: date, service: str | None = None) -> Decision:
    """
    Answer one request for one service, or for all services together. Pure: no clock, no network, no log.

    Raises:
        DisagreementError: The two opinions differ; nobody gets a card.
    """
    facts = evaluate_facts(rules.program.wanted, rules.program.codes, record, today)
    truths = rules.reasoner.conclude(facts)
    cards = write_cards(rules.program, record, facts, truths, service)
    return Decision(today, facts, truths, cards, record)
