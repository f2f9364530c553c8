"""The second opinion: conditions → truths, from the conditions alone (strong Kleene logic)."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from cds.logic.conditions import Condition, Ranges, names_in
from cds.logic.truth import Truth


class KleeneEvaluator:
    """Evaluates a set of heads, none of which needs itself: each once, after those it reads."""

    def __init__(self, heads: Mapping[str, Condition]) -> None:
        reads = {name: names_in(condition) for name, condition in heads.items()}
        order = TopologicalSorter({name: read & heads.keys() for name, read in reads.items()}).static_order()
        self._names = tuple(heads)
        self._heads = [(name, heads[name]) for name in order]
        self._unknown = dict.fromkeys(frozenset().union(*reads.values()), Truth.UNKNOWN)

    def run(self, statements: Mapping[str, Truth], ranges: Ranges) -> dict[str, Truth]:
        """Every head → its truth. A name that is neither a head nor a known statement is UNKNOWN."""
        settled = {**self._unknown, **statements}
        truth_of = settled.__getitem__
        for name, condition in self._heads:
            settled[name] = condition.truth(truth_of, ranges)
        return {name: settled[name] for name in self._names}
