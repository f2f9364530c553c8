"""The second opinion: conditions → truths, straight down the tree (strong Kleene logic), from the conditions alone."""

from __future__ import annotations

from collections.abc import Mapping

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


class Direct:
    """Evaluates a set of heads."""

    def __init__(self, heads: Mapping[str, Condition]) -> None:
        self._heads = heads

    def run(self, statements: Mapping[str, Truth], ranges: Ranges) -> dict[str, Truth]:
        """Every head → its truth. A name that is neither a head nor a known statement is UNKNOWN."""
        settled: dict[str, Truth] = {}

        def head(name: str) -> Truth:
            if name not in settled:
                settled[name] = judge(self._heads[name])
            return settled[name]

        def judge(condition: Condition) -> Truth:
            match condition:
                case Name(name):
                    return head(name) if name in self._heads else statements.get(name, Truth.UNKNOWN)
                case Compare():
                    return compare(condition, ranges)
                case All(parts):
                    return every(judge(part) for part in parts)
                case Any(parts):
                    return some(judge(part) for part in parts)
                case AtLeast(count, parts):
                    return at_least(count, (judge(part) for part in parts))
                case Not(part):
                    return ~judge(part)
                case Unknown(part):
                    return Truth.of(judge(part) is Truth.UNKNOWN)
                case Possibly(part):
                    return Truth.of(judge(part) is not Truth.FALSE)

        return {name: head(name) for name in self._heads}
