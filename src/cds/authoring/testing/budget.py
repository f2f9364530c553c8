"""Cases → the cards that are too long to be read at a glance, and those a service leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.resource_writer import FhirWriterError
from cds.authoring.testing.rulesets import CachedEvaluator
from cds.authoring.testing.run import record_of
from cds.cards.card import Card
from cds.decide import decide
from cds.engine.evaluator import EvaluatorMode
from cds.errors import RequestError
from cds.logic.truth import Truth
from cds.rulebook.loader import Rulebook
from cds.ruleset import rules_of
from cds.yaml_source.problem import Problem

# Words of `detail` (docs/rule-authors/format.md, "Cards"): what is read in seconds between two patients.
MOST_WORDS = {"info": 150, "warning": 200, "critical": 200}
WORD = re.compile(r"\S*\w\S*")


def words_of(card: Card) -> int:
    """The number of words of a card's detail: what stands between spaces and holds a letter or a digit."""
    return len(WORD.findall(card.detail))


def problems_of_cards(book: Rulebook, rule_tests: RuleTests) -> Iterator[Problem]:
    """
    For each card, the case in which it is longest, where that is beyond its budget, and one in which its service leaves
    it out, because so many others stand before it; of a site, for its own cards and those it changed.

    A case with parameters of its own says what they do, not how long a card is: it is left out, and so is one whose
    request is refused.
    """
    rules = rules_of(book, EvaluatorMode.DIRECT, CachedEvaluator)
    longest: dict[str, tuple[int, Card, str]] = {}
    left_out: dict[str, tuple[str, str]] = {}
    for case in rule_tests.cases:
        if case.with_ or case.then.error:
            continue
        try:
            record = record_of(case, rules)
        except (RequestError, FhirWriterError):
            continue
        decision = decide(rules, record, case.today, case.service or None)
        for name in [case.service] if case.service else rules.program.services:
            service = rules.program.services[name]
            due = [card for card in service.cards if decision.truths[rules.program.cards[card].head] is Truth.TRUE]
            for card_name in due[service.most_cards :]:
                left_out.setdefault(card_name, (name, case.name))
        for card in decision.cards:
            words = words_of(card)
            over = words - MOST_WORDS[card.indicator]
            if over > 0 and words > longest.get(card.name, (0,))[0]:
                longest[card.name] = words, card, case.name
    rules.reasoner.close()
    mine = book.own_cards()
    for rule in book.rules.values():
        for name in rule.model.cards:
            if name in left_out and name in mine:
                service_name, case_name = left_out[name]
                most = rules.program.services[service_name].most_cards
                yield rule.problem(
                    ("cards", name), "card-left-out",
                    f"`{service_name}` shows {most} card(s) at most, and `{name}` is one too many in “{case_name}”.",
                    "Let one of the cards be held back (`show_when`), or raise `most_cards`.",
                    "A card that is left out is silent, as if there were nothing to say.",
                )  # fmt: skip
            if name in longest and name in mine:
                words, card, case_name = longest[name]
                yield rule.problem(
                    ("cards", name, "detail"), "card-over-budget",
                    f"`{name}` has {words} words in “{case_name}”; {card.indicator} cards have at most"
                    f" {MOST_WORDS[card.indicator]}.",
                    "Shorten it, or leave what is not needed at a glance to the page behind the card.",
                    "A long card is not read.",
                )  # fmt: skip
