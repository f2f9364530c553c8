"""Rules → cards of one subject that a service would show together, searched for with invented facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from random import Random

from cds.authoring.testing.rulesets import CachedEvaluator
from cds.engine.evaluator import EvaluatorMode
from cds.engine.kleene import KleeneEvaluator
from cds.logic.conditions import (
    All,
    Any,
    AtLeast,
    Compare,
    Comparison,
    Condition,
    Name,
    Not,
    Possibly,
    Unknown,
    names_in,
    walk,
)
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.rulebook.loader import Rulebook
from cds.ruleset import rules_of
from cds.yaml_source.problem import Problem

TRIES = 12  # of each pair of cards; a fault that was planted in the shipped rules is found in the first few
HIGHEST = 30  # of a number that no condition aims at


def cards_of_one_subject(book: Rulebook) -> Iterator[Problem]:
    """
    For each two cards of one subject (`topic`) that a service may show together, one problem at the second.

    For every two cards of a service, facts are invented that make both likely: true, false, unknown, numbers on both
    sides of each limit; the rest at random, the same each time. Of a site, only pairs with a card of its own or one it
    changed are told.
    """
    rules = rules_of(book, EvaluatorMode.DIRECT, CachedEvaluator)
    heads = _needed(rules.program)
    direct = KleeneEvaluator(heads)
    parts = [part for condition in heads.values() for part in walk(condition)]
    statements = sorted({part.name for part in parts if isinstance(part, Name)} - heads.keys())
    numbers = sorted({part.fact for part in parts if isinstance(part, Compare)})
    mine = book.own_cards()
    told: set[frozenset[str]] = set()
    for service_name, service in rules.program.services.items():
        random = Random(service_name)  # noqa: S311 (a search that is the same each time)
        cards = {name: rules.program.cards[name] for name in service.cards}
        for pair in combinations(cards, 2):
            for _ in range(TRIES):
                facts = InventedFacts(random, heads)
                for name in random.sample(pair, 2):
                    facts.aim(heads[cards[name].head], Truth.TRUE)
                truths = direct.run(*facts.completed(statements, numbers))
                due = [name for name, card in cards.items() if truths[card.head] is Truth.TRUE]
                counts = Counter(cards[name].subject for name in due)
                for subject, number in counts.items():
                    first, *others = [name for name in due if cards[name].subject == subject]
                    if number == 1 or frozenset((first, others[0])) in told or mine.isdisjoint((first, *others)):
                        continue
                    told.add(frozenset((first, others[0])))
                    rule = next(rule for rule in book.rules.values() if others[0] in rule.model.cards)
                    yield rule.problem(
                        ("cards", others[0], "topic"), "cards-of-one-subject",
                        f"`{first}` and `{others[0]}` are both about `{subject}`, and `{service_name}` can show them"
                        " together.",
                        f"Let one hold the other back (`not` in `show_when`), or give `{others[0]}` another `subject`.",
                        "Two cards on one thing say different things, and neither is read.",
                    )  # fmt: skip
    rules.reasoner.close()


def _needed(program: CompiledRuleset) -> dict[str, Condition]:
    """The conditions of all cards and of the conclusions they rest on; not those of notes and other definitions."""
    needed: dict[str, Condition] = {}
    names = [card.head for card in program.cards.values()]
    while names:
        name = names.pop()
        if name in program.heads and name not in needed:
            needed[name] = program.heads[name].condition
            names += names_in(needed[name])
    return needed


class InventedFacts:
    """Facts chosen so that some conditions are likely to hold; the rest at random."""

    def __init__(self, random: Random, heads: Mapping[str, Condition]) -> None:
        self._random = random
        self._heads = heads
        self._truths: dict[str, Truth] = {}
        self._ranges: dict[str, tuple[float, float] | None] = {}

    def aim(self, condition: Condition, truth: Truth) -> None:
        """Chooses facts that are still free, so that the condition is likely to be `truth`."""
        match condition:
            case Name(name) if name in self._heads:
                self.aim(self._heads[name], truth)
            case Name(name):
                self._truths.setdefault(name, truth)
            case Compare():
                self._ranges.setdefault(condition.fact, self._around(condition, truth))
            case Not(part):
                self.aim(part, ~truth)
            case Unknown(part):
                known = self._random.choice((Truth.TRUE, Truth.FALSE))
                self.aim(part, Truth.UNKNOWN if truth is Truth.TRUE else known)
            case Possibly(part):
                possible = self._random.choice((Truth.TRUE, Truth.UNKNOWN))
                self.aim(part, possible if truth is Truth.TRUE else Truth.FALSE)
            case All(parts) | AtLeast(_, parts) if truth is Truth.TRUE:
                for part in parts:
                    self.aim(part, truth)
            case Any(parts) if truth is Truth.FALSE:
                for part in parts:
                    self.aim(part, truth)
            case All(parts) | Any(parts) | AtLeast(_, parts):
                self.aim(self._random.choice(parts), truth)
                if truth is Truth.UNKNOWN:
                    for part in parts:
                        self.aim(part, Truth.of(isinstance(condition, All)))

    def _around(self, condition: Compare, truth: Truth) -> tuple[float, float] | None:
        limit = condition.limit
        upward = condition.how in (Comparison.AT_LEAST, Comparison.ABOVE)
        if truth is Truth.UNKNOWN:
            return self._random.choice((None, (limit - 1, limit + 1)))
        value = limit + (1 if upward is (truth is Truth.TRUE) else -1)
        return value, value

    def completed(
        self, statements: list[str], numbers: list[str]
    ) -> tuple[dict[str, Truth], dict[str, tuple[float, float]]]:
        """A truth for each statement, and the lowest and highest value of each number that is known."""
        for name in statements:
            if name not in self._truths:
                self._truths[name] = self._random.choice(tuple(Truth))
        for name in numbers:
            if name not in self._ranges:
                low = float(self._random.randint(0, HIGHEST))
                self._ranges[name] = self._random.choice((None, (low, low), (low, low + self._random.randint(0, 5))))
        return self._truths, {name: ends for name, ends in self._ranges.items() if ends is not None}
