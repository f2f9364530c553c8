"""No service ever shows more than suicide risk, one card on resistant depression and one on the order at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from cds.engine.evaluator import EvaluatorMode
from cds.engine.kleene import KleeneEvaluator
from cds.logic.conditions import All, Any, AtLeast, Compare, Comparison, Condition, Name, Not, Possibly, Unknown
from cds.logic.truth import Truth
from cds.rulebook.program import CompiledRuleset
from cds.ruleset import load_rules
from tests.server import TODAY

pytestmark = pytest.mark.slow


def parts_of(condition: Condition) -> Iterator[Condition]:
    """A condition and everything inside it."""
    yield condition
    match condition:
        case All(parts) | Any(parts) | AtLeast(_, parts):
            for part in parts:
                yield from parts_of(part)
        case Not(part) | Unknown(part) | Possibly(part):
            yield from parts_of(part)


RULES = load_rules(Path(__file__).parents[2] / "rules", EvaluatorMode.DIRECT, TODAY)
PROGRAM: CompiledRuleset = RULES.program
HEADS = {name: head.condition for name, head in PROGRAM.heads.items()}
COMPARED = {part.fact for head in HEADS.values() for part in parts_of(head) if isinstance(part, Compare)}
NAMED = {part.name for head in HEADS.values() for part in parts_of(head) if isinstance(part, Name)}
RANGED = sorted(COMPARED)
STATEMENTS = sorted(NAMED - HEADS.keys())
TRUTHS = tuple(Truth)


class Aimed:
    """Facts chosen so that some conditions are likely to hold; the rest at random."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.truths: dict[str, Truth] = {}
        self.ranges: dict[str, tuple[float, float] | None] = {}

    def aim(self, condition: Condition, truth: Truth) -> None:
        match condition:
            case Name(name) if name in HEADS:
                self.aim(HEADS[name], truth)
            case Name(name):
                self.truths.setdefault(name, truth)
            case Compare():
                self.ranges.setdefault(condition.fact, self.around(condition, truth))
            case Not(part):
                self.aim(part, ~truth)
            case Unknown(part):
                self.aim(part, Truth.UNKNOWN if truth is Truth.TRUE else self.random.choice((Truth.TRUE, Truth.FALSE)))
            case Possibly(part):
                wanted = self.random.choice((Truth.TRUE, Truth.UNKNOWN)) if truth is Truth.TRUE else Truth.FALSE
                self.aim(part, wanted)
            case All(parts) | AtLeast(_, parts) if truth is Truth.TRUE:
                for part in parts:
                    self.aim(part, truth)
            case Any(parts) if truth is Truth.FALSE:
                for part in parts:
                    self.aim(part, truth)
            case All(parts) | Any(parts) | AtLeast(_, parts):
                chosen = self.random.choice(parts)
                self.aim(chosen, truth)
                if truth is Truth.UNKNOWN:
                    for part in parts:
                        self.aim(part, Truth.of(isinstance(condition, All)))

    def around(self, condition: Compare, truth: Truth) -> tuple[float, float] | None:
        limit = condition.limit
        upward = condition.how in (Comparison.AT_LEAST, Comparison.ABOVE)
        if truth is Truth.UNKNOWN:
            return self.random.choice((None, (limit - 1, limit + 1)))
        value = limit + (1 if upward is (truth is Truth.TRUE) else -1)
        return value, value

    def facts(self) -> tuple[dict[str, Truth], dict[str, tuple[float, float]]]:
        for name in STATEMENTS:
            if name not in self.truths:
                self.truths[name] = self.random.choice(TRUTHS)
        for name in RANGED:
            if name not in self.ranges:
                low = float(self.random.randint(0, 30))
                self.ranges[name] = self.random.choice((None, (low, low), (low, low + self.random.randint(0, 5))))
        return self.truths, {name: ends for name, ends in self.ranges.items() if ends is not None}


def about(card: str) -> str:
    topic = PROGRAM.cards[card].topic
    code = topic[1] if topic else ""
    return "TRD" if code.startswith("TRD") else code if code == "SuicideRisk" else "the order"


@pytest.mark.parametrize("service", PROGRAM.services)
def test_a_service_never_has_two_cards_of_one_subject(service: str) -> None:
    random = Random(service)  # noqa: S311 (a test that is the same each time)
    direct = KleeneEvaluator(HEADS)
    cards = PROGRAM.services[service].cards
    seen: set[str] = set()
    for first, second in combinations(cards, 2):
        for _ in range(12):
            aimed = Aimed(random)
            for card in random.sample((first, second), 2):
                aimed.aim(HEADS[PROGRAM.cards[card].head], Truth.TRUE)
            truths = direct.run(*aimed.facts())
            due = [card for card in cards if truths[PROGRAM.cards[card].head] is Truth.TRUE]
            seen.update(due)
            counts = Counter(map(about, due))
            assert max(counts.values(), default=0) <= 1, due
            assert len(due) <= PROGRAM.services[service].most_cards == 3
    assert seen == set(cards)  # every card was due in some of these
