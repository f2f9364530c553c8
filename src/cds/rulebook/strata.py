"""Clauses → layers: only reading "unknown" climbs, so that inside a layer no order of firing can matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from cds.rulebook.clauses import Clause, Literal, Test, Undecided, compile_heads
from cds.rulebook.conditions import Condition, names_in


@dataclass(frozen=True, slots=True)
class Layer:
    """
    One stratum.

    Attributes:
        clauses: Positive definite clauses.
        heads: Names settled here, hidden ones included.
        undecided: Names of lower layers, or facts, whose being unknown is read here.
    """

    clauses: tuple[Clause, ...]
    heads: frozenset[str]
    undecided: frozenset[str]


def find_cycles(heads: Mapping[str, Condition]) -> list[list[str]]:
    """Each circle of heads that need each other, as a path that ends where it began."""
    # Sorted, so that the same rules are always told the same circles.
    left = {name: sorted(names_in(condition) & heads.keys()) for name, condition in heads.items()}
    cycles: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            cycles.append(circle)
            left[circle[0]].remove(circle[1])
        else:
            return cycles


def layers(heads: Mapping[str, Condition]) -> tuple[Layer, ...]:
    """
    Layers of the clauses of all heads, lowest first; each head as low as what it reads permits.

    Raises ValueError when heads need each other.
    """
    cycles = find_cycles(heads)
    if cycles:
        raise ValueError("conclusions need each other: " + "; ".join(" → ".join(circle) for circle in cycles))
    clauses = compile_heads(heads)
    by_head: dict[str, list[Clause]] = {}
    for clause in clauses:
        by_head.setdefault(clause.head.name, []).append(clause)
    reads = {
        name: {part.name for clause in own for part in clause.body if not isinstance(part, Test)} & by_head.keys()
        for name, own in by_head.items()
    }
    height: dict[str, int] = {}
    for name in TopologicalSorter(reads).static_order():
        height[name] = max((_least(part, height) for clause in by_head[name] for part in clause.body), default=0)
    return tuple(
        _layer([clause for clause in clauses if height[clause.head.name] == level])
        for level in range(max(height.values(), default=-1) + 1)
    )


def _least(part: Literal | Test | Undecided, height: Mapping[str, int]) -> int:
    match part:
        case Literal(name):
            return height.get(name, 0)
        case Undecided(name):
            return height.get(name, -1) + 1
    return 0


def _layer(clauses: list[Clause]) -> Layer:
    return Layer(
        clauses=tuple(clauses),
        heads=frozenset(clause.head.name for clause in clauses),
        undecided=frozenset(part.name for clause in clauses for part in clause.body if isinstance(part, Undecided)),
    )
