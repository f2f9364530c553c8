"""Cases → the cards that are too long to be read at a glance."""

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
from cds.rulebook.loader import Rulebook
from cds.ruleset import rules_of
from cds.yaml_source.problem import Problem

# Words of `detail` (docs/rule-authors/format.md, "Cards"): what is read in seconds between two patients.
MOST_WORDS = {"info": 150, "warning": 200, "critical": 200}
WORD = re.compile(r"\S*\w\S*")


def words_of(card: Card) -> int:
    """The number of words of a card's detail: what stands between spaces and holds a letter or a digit."""
    return len(WORD.findall(card.detail))


def card_over_budget(book: Rulebook, casebook: RuleTests) -> Iterator[Problem]:
    """
    For each card, the case in which it is longest, where that is beyond its budget; of a site, for its own cards and
    those it changed.

    A case with parameters of its own says what they do, not how long a card is: it is left out, and so is one whose
    request is refused.
    """
    rules = rules_of(book, EvaluatorMode.DIRECT, CachedEvaluator)
    longest: dict[str, tuple[int, Card, str]] = {}
    for case in casebook.cases:
        if case.with_ or case.then.error:
            continue
        try:
            record = record_of(case, rules)
        except (RequestError, FhirWriterError):
            continue
        for card in decide(rules, record, case.today, case.service or None).cards:
            words = words_of(card)
            over = words - MOST_WORDS[card.indicator]
            if over > 0 and words > longest.get(card.name, (0,))[0]:
                longest[card.name] = words, card, case.name
    rules.reasoner.close()
    changed = {override.path[1] for override in book.overrides if override.path[:1] == ("cards",)}
    changed |= {path[1] for rule in book.rules.values() for path in rule.overlaid if path[0] == "cards"}
    mine = book.own().rules
    for rule_id, rule in book.rules.items():
        for name in rule.model.cards:
            if name in longest and (rule_id in mine or name in changed):
                words, card, case_name = longest[name]
                yield rule.problem(
                    ("cards", name, "detail"), "card-over-budget",
                    f"`{name}` has {words} words in “{case_name}”; {card.indicator} cards have at most"
                    f" {MOST_WORDS[card.indicator]}.",
                    "Shorten it, or leave what is not needed at a glance to the page behind the card.",
                    "A long card is not read.",
                )  # fmt: skip
