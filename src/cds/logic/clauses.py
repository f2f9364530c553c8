"""Conditions → positive clauses: what makes a head hold, for sure or perhaps; where no clause may hold, it is false."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb

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
)
from cds.logic.truth import Truth

MOST_CHOICES = 200  # of an at_least
MOST_PARTS = 12  # in one body, for the engine's sake; what is longer is nested

ALL_TRUTHS = frozenset(Truth)
UNKNOWN = frozenset({Truth.UNKNOWN})
POSSIBLE = frozenset({Truth.TRUE, Truth.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Literal:
    """A fact or head is true (`holds`), or is false; open while it is unknown."""

    name: str
    holds: bool

    @property
    def sure(self) -> frozenset[Truth]:
        """The truths with which it holds for sure."""
        return frozenset({Truth.of(self.holds)})

    @property
    def open(self) -> frozenset[Truth]:
        """The truths with which it may hold."""
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class Among:
    """The truth of a fact or head is one of `sure`; that is never open."""

    name: str
    sure: frozenset[Truth]

    @property
    def open(self) -> frozenset[Truth]:
        """None."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class ComparisonLiteral:
    """A number stands in a relation to a limit. Open while its range lies on both sides."""

    fact: str
    how: Comparison
    limit: float


BodyPart = Literal | Among | ComparisonLiteral
Body = tuple[BodyPart, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """
    The head holds when every part of the body does; a body is never empty.

    A head is true when a clause of it holds for sure, false when none even may, and unknown otherwise.
    """

    head: str
    body: Body


OPPOSITE = {
    Comparison.AT_LEAST: Comparison.BELOW,
    Comparison.ABOVE: Comparison.AT_MOST,
    Comparison.AT_MOST: Comparison.ABOVE,
    Comparison.BELOW: Comparison.AT_LEAST,
}


def compile_heads(heads: Mapping[str, Condition]) -> tuple[Clause, ...]:
    """
    The clauses of every head.

    Groups inside groups get hidden heads (`name~1`). Raises ValueError for a group without parts, or an `at_least` with
    too many choices.
    """
    compiler = _Compiler()
    for name, condition in heads.items():
        compiler.head(name, condition, owner=name)
    return tuple(compiler.clauses)


class _Compiler:
    def __init__(self) -> None:
        self.clauses: list[Clause] = []
        self._hidden: dict[Condition, str] = {}
        self._count: dict[str, int] = {}

    def head(self, name: str, condition: Condition, *, owner: str) -> None:
        bodies = self._ways(condition, owner)
        unlike = dict.fromkeys(tuple(dict.fromkeys(body)) for body in bodies)
        self.clauses += (Clause(name, body) for body in unlike)

    def _ways(self, condition: Condition, owner: str) -> list[Body]:
        """The bodies of which one must hold for the condition to hold."""
        match condition:
            case Any(parts) | AtLeast(1, parts):
                return [body for part in _some(parts, owner) for body in self._ways(part, owner)]
            case All(parts):
                return self._every(_some(parts, owner), owner)
            case AtLeast(count, parts) if count == len(parts):
                return self._every(_some(parts, owner), owner)
            case AtLeast(count, parts):
                listed = [self._part(part, True, owner) for part in _some(parts, owner)]
                return list(combinations(listed, _checked(count, parts, owner)))
            case _:
                return [(self._part(condition, True, owner),)]

    def _every(self, parts: tuple[Condition, ...], owner: str) -> list[Body]:
        flat = list(_flat(parts))
        while len(flat) > MOST_PARTS:
            groups = [All(tuple(flat[start : start + MOST_PARTS])) for start in range(0, len(flat), MOST_PARTS)]
            flat = [Name(self._hidden_head(group, owner)) for group in groups]
        return [tuple(self._part(part, True, owner) for part in flat)]

    def _part(self, condition: Condition, holds: bool, owner: str) -> BodyPart:
        """What reads whether a condition is true (`holds`), or is false."""
        match condition:
            case Name(name):
                return Literal(name, holds)
            case Compare(fact, how, limit):
                return ComparisonLiteral(fact, how if holds else OPPOSITE[how], limit)
            case Not(part):
                return self._part(part, not holds, owner)
            case Unknown(part):
                return self._among(part, UNKNOWN, holds, owner)
            case Possibly(part):
                return self._among(part, POSSIBLE, holds, owner)
            case _:
                return Literal(self._hidden_head(condition, owner), holds)

    def _among(self, part: Condition, truths: frozenset[Truth], holds: bool, owner: str) -> Among:
        name = part.name if isinstance(part, Name) else self._hidden_head(part, owner)
        return Among(name, truths if holds else ALL_TRUTHS - truths)

    def _hidden_head(self, condition: Condition, owner: str) -> str:
        if condition not in self._hidden:
            self._count[owner] = self._count.get(owner, 0) + 1
            name = f"{owner}~{self._count[owner]}"
            self._hidden[condition] = name
            self.head(name, condition, owner=owner)
        return self._hidden[condition]


def _flat(parts: Iterable[Condition]) -> Iterator[Condition]:
    for part in parts:
        if isinstance(part, All) and part.parts:
            yield from _flat(part.parts)
        else:
            yield part


def _some(parts: tuple[Condition, ...], name: str) -> tuple[Condition, ...]:
    if not parts:
        raise ValueError(f"{name}: a group without parts says nothing")
    return parts


def _checked(count: int, parts: tuple[Condition, ...], name: str) -> int:
    if not 1 <= count <= len(parts):
        raise ValueError(f"{name}: at_least {count} of {len(parts)} parts is always or never true")
    if comb(len(parts), count) > MOST_CHOICES:
        raise ValueError(f"{name}: at_least {count} of {len(parts)} parts has too many choices; nest it in groups")
    return count
