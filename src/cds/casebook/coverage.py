"""Verdicts → what no case shows: every conclusion true, false and unknown, every card shown and not shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cds.casebook.run import Verdict
from cds.rulebook.program import Program
from cds.truth import Truth


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What the cases of a rules folder show.

    Attributes:
        conclusions: Conclusion → the truths it was seen with.
        cards: Card → whether it was seen shown (True), not shown (False), both or neither.
    """

    conclusions: Mapping[str, frozenset[Truth]]
    cards: Mapping[str, frozenset[bool]]


def shown(program: Program, verdicts: Iterable[Verdict]) -> Shown:
    """What the cases show of every conclusion and card of a program; refused requests show nothing."""
    conclusions: dict[str, set[Truth]] = {name: set() for name in program.heads if ":" not in name}
    cards: dict[str, set[bool]] = {name: set() for name in program.cards}
    for verdict in verdicts:
        if not verdict.truths:
            continue
        for name, seen in conclusions.items():
            if name in verdict.truths:
                seen.add(verdict.truths[name])
        for name, seen_cards in cards.items():
            seen_cards.add(name in verdict.shown)
    return Shown(
        {name: frozenset(seen) for name, seen in conclusions.items()},
        {name: frozenset(seen_cards) for name, seen_cards in cards.items()},
    )


def never_shown(seen: Shown) -> tuple[str, ...]:
    """One sentence for each answer of a conclusion, and each side of a card, that no case shows."""
    gaps = [
        f"{name} is never {truth.value}."
        for name, truths in sorted(seen.conclusions.items())
        for truth in Truth
        if truth not in truths
    ]
    for name, sides in sorted(seen.cards.items()):
        gaps += [
            f"card {name} is never {word}."
            for side, word in ((True, "shown"), (False, "held back"))
            if side not in sides
        ]
    return tuple(gaps)
