"""Clauses → strata: each reads only what lower ones settled, so that inside one no order of firing can matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from cds.logic.clauses import Clause, ComparisonLiteral, compile_heads
from cds.logic.conditions import Condition, names_in


@dataclass(frozen=True, slots=True)
class Stratum:
    """
    Clauses that can be decided together, since they read only what lower strata settled.

    Attributes:
        clauses: Positive clauses; of heads they read those of lower strata only.
        heads: Names settled here, hidden ones included.
    """

    clauses: tuple[Clause, ...]
    heads: frozenset[str]


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


def strata_of(heads: Mapping[str, Condition]) -> tuple[Stratum, ...]:
    """
    Layers of the clauses of all heads, lowest first; each head as low as what it reads permits.

    Raises ValueError when heads need each other.
    """
    cycles = find_cycles(heads)
    if cycles:
        raise ValueError("conclusions need each other: " + "; ".join(" → ".join(circle) for circle in cycles))
    clauses = compile_heads(heads)
    reads: dict[str, set[str]] = {clause.head: set() for clause in clauses}
    for clause in clauses:
        reads[clause.head] |= {
            part.name for part in clause.body if not isinstance(part, ComparisonLiteral)
        } & reads.keys()
    height: dict[str, int] = {}
    for name in TopologicalSorter(reads).static_order():
        height[name] = max((height[read] + 1 for read in reads[name]), default=0)
    return tuple(
        _layer([clause for clause in clauses if height[clause.head] == level])
        for level in range(max(height.values(), default=-1) + 1)
    )


def _layer(clauses: list[Clause]) -> Stratum:
    return Stratum(tuple(clauses), frozenset(clause.head for clause in clauses))
