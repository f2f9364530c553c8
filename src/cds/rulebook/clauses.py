"""Conditions → positive definite clauses over "is true" and "is false"; what no clause settles is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb

from cds.rulebook.conditions import (
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

MOST_CHOICES = 200
MOST_PARTS = 12  # in one body, for the engine's sake; a longer group is nested


@dataclass(frozen=True, slots=True)
class Literal:
    """A statement fact or a head is true (`holds`) or is false."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Test:
    """One end of a number's range stands in a relation (>=, >, <=, <) to a limit."""

    fact: str
    end: str
    op: str
    limit: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """A name of a lower layer was left unknown."""

    name: str


BodyPart = Literal | Test | Undecided


@dataclass(frozen=True, slots=True)
class Clause:
    """The head is settled when every part of the body is; a body is never empty."""

    head: Literal
    body: tuple[BodyPart, ...]


TESTS = {
    # What makes a comparison true, and what makes it false, over the two ends of the range.
    Comparison.AT_LEAST: (("low", ">="), ("high", "<")),
    Comparison.ABOVE: (("low", ">"), ("high", "<=")),
    Comparison.AT_MOST: (("high", "<="), ("low", ">")),
    Comparison.BELOW: (("high", "<"), ("low", ">=")),
}


def compile_heads(heads: Mapping[str, Condition]) -> tuple[Clause, ...]:
    """
    Clauses for "head is true" and "head is false" of every head (dual rail).

    Nested groups, and pieces of long ones, get hidden heads (`name~1`). Raises ValueError for a group without parts,
    or an `at_least` with too many choices.
    """
    compiler = _Compiler()
    for name, condition in heads.items():
        compiler.head(name, condition)
    return tuple(compiler.clauses)


class _Compiler:
    def __init__(self) -> None:
        self.clauses: list[Clause] = []
        self._hidden: dict[Condition, str] = {}
        self._count: dict[str, int] = {}

    def head(self, name: str, condition: Condition) -> None:
        owner = name.split("~", maxsplit=1)[0]
        match condition:
            case All(parts) if len(parts) > MOST_PARTS:
                self.head(name, All(tuple(All(chunk) for chunk in _chunks(parts))))
            case Any(parts) if len(parts) > MOST_PARTS:
                self.head(name, Any(tuple(Any(chunk) for chunk in _chunks(parts))))
            case AtLeast(1, parts):
                self.head(name, Any(parts))
            case AtLeast(count, parts) if count == len(parts) > 0:
                self.head(name, All(parts))
            case All(parts):
                self._all(name, [self._part(part, owner) for part in _some(parts, name)])
            case Any(parts):
                self._any(name, [self._part(part, owner) for part in _some(parts, name)])
            case AtLeast(count, parts):
                self._at_least(name, count, [self._part(part, owner) for part in _some(parts, name)])
            case Unknown(part):
                undecided, true, false = self._three(part, owner)
                self._settle(name, True, [undecided])
                self._settle(name, False, [true])
                self._settle(name, False, [false])
            case Possibly(part):
                undecided, true, false = self._three(part, owner)
                self._settle(name, True, [undecided])
                self._settle(name, True, [true])
                self._settle(name, False, [false])
            case _:
                true, false = self._part(condition, owner)
                self._settle(name, True, [true])
                self._settle(name, False, [false])

    def _part(self, condition: Condition, owner: str) -> tuple[BodyPart, BodyPart]:
        """What makes a part true, and what makes it false."""
        match condition:
            case Name(name):
                return Literal(name, True), Literal(name, False)
            case Compare(fact, how, limit):
                (true_end, true_op), (false_end, false_op) = TESTS[how]
                return Test(fact, true_end, true_op, limit), Test(fact, false_end, false_op, limit)
            case Not(part):
                true, false = self._part(part, owner)
                return false, true
            case _:
                hidden = self._hidden_head(condition, owner)
                return Literal(hidden, True), Literal(hidden, False)

    def _three(self, condition: Condition, owner: str) -> tuple[Undecided, BodyPart, BodyPart]:
        match condition:
            case Name(name):
                return Undecided(name), Literal(name, True), Literal(name, False)
            case _:
                hidden = self._hidden_head(condition, owner)
                return Undecided(hidden), Literal(hidden, True), Literal(hidden, False)

    def _hidden_head(self, condition: Condition, owner: str) -> str:
        if condition not in self._hidden:
            self._count[owner] = self._count.get(owner, 0) + 1
            name = f"{owner}~{self._count[owner]}"
            self._hidden[condition] = name
            self.head(name, condition)
        return self._hidden[condition]

    def _all(self, name: str, parts: list[tuple[BodyPart, BodyPart]]) -> None:
        self._settle(name, True, [true for true, _ in parts])
        for _, false in parts:
            self._settle(name, False, [false])

    def _any(self, name: str, parts: list[tuple[BodyPart, BodyPart]]) -> None:
        for true, _ in parts:
            self._settle(name, True, [true])
        self._settle(name, False, [false for _, false in parts])

    def _at_least(self, name: str, count: int, parts: list[tuple[BodyPart, BodyPart]]) -> None:
        if not 1 <= count <= len(parts):
            raise ValueError(f"{name}: at_least {count} of {len(parts)} parts is always or never true")
        false_count = len(parts) - count + 1
        if comb(len(parts), count) + comb(len(parts), false_count) > MOST_CHOICES:
            raise ValueError(f"{name}: at_least {count} of {len(parts)} parts has too many choices; nest it in groups")
        for chosen in combinations(parts, count):
            self._settle(name, True, [true for true, _ in chosen])
        for chosen in combinations(parts, false_count):
            self._settle(name, False, [false for _, false in chosen])

    def _settle(self, name: str, holds: bool, body: Iterable[BodyPart]) -> None:
        self.clauses.append(Clause(Literal(name, holds), tuple(dict.fromkeys(body))))


def _chunks(parts: tuple[Condition, ...]) -> Iterator[tuple[Condition, ...]]:
    for start in range(0, len(parts), MOST_PARTS):
        yield parts[start : start + MOST_PARTS]


def _some(parts: tuple[Condition, ...], name: str) -> tuple[Condition, ...]:
    if not parts:
        raise ValueError(f"{name}: a group without parts says nothing")
    return parts
