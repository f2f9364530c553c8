"""The second opinion: conditions → truths, straight down the tree (strong Kleene logic), from the conditions alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from cds.truth import Truth, at_least, every, some

Ranges = Mapping[str, tuple[float, float]]


def compare(condition: Compare, ranges: Ranges) -> Truth:
    """A comparison of a range with a limit; UNKNOWN when the range is not known or lies on both sides."""
    if condition.fact not in ranges:
        return Truth.UNKNOWN
    low, high = ranges[condition.fact]
    limit = condition.limit
    match condition.how:
        case Comparison.AT_LEAST:
            sure, never = low >= limit, high < limit
        case Comparison.ABOVE:
            sure, never = low > limit, high <= limit
        case Comparison.AT_MOST:
            sure, never = high <= limit, low > limit
        case Comparison.BELOW:
            sure, never = high < limit, low >= limit
    return Truth.TRUE if sure else Truth.FALSE if never else Truth.UNKNOWN


def judge(condition: Condition, truth_of: Callable[[str], Truth], ranges: Ranges) -> Truth:
    """A condition, given the truth of each name it reads and the ranges of its numbers."""
    match condition:
        case Name(name):
            return truth_of(name)
        case Compare():
            return compare(condition, ranges)
        case All(parts):
            return every(judge(part, truth_of, ranges) for part in parts)
        case Any(parts):
            return some(judge(part, truth_of, ranges) for part in parts)
        case AtLeast(count, parts):
            return at_least(count, (judge(part, truth_of, ranges) for part in parts))
        case Not(part):
            return ~judge(part, truth_of, ranges)
        case Unknown(part):
            return Truth.of(judge(part, truth_of, ranges) is Truth.UNKNOWN)
        case Possibly(part):
            return Truth.of(judge(part, truth_of, ranges) is not Truth.FALSE)


class Direct:
    """Evaluates a set of heads."""

    def __init__(self, heads: Mapping[str, Condition]) -> None:
        self._heads = heads

    def run(self, statements: Mapping[str, Truth], ranges: Ranges) -> dict[str, Truth]:
        """Every head → its truth. A name that is neither a head nor a known statement is UNKNOWN."""
        settled: dict[str, Truth] = {}

        def truth_of(name: str) -> Truth:
            if name not in self._heads:
                return statements.get(name, Truth.UNKNOWN)
            if name not in settled:
                settled[name] = judge(self._heads[name], truth_of, ranges)
            return settled[name]

        return {name: truth_of(name) for name in self._heads}
