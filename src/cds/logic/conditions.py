"""
The whole grammar of conditions, with every name resolved and every number in place, and what each of them says.

`truth` is strong Kleene logic, straight down the tree. It is given the truth of each name and the ranges of the numbers
that are known; a comparison with a number that is not known is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import ge, gt, le, lt

from cds.logic.truth import Truth, at_least

Ranges = Mapping[str, tuple[float, float]]
TruthOf = Callable[[str], Truth]

TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


class Comparison(Enum):
    """How a number is compared with its limit; the word a rule file writes."""

    AT_LEAST = "at_least"
    ABOVE = "above"
    AT_MOST = "at_most"
    BELOW = "below"

    __hash__ = object.__hash__  # as of Truth


HIGHER_HOLDS = frozenset({Comparison.AT_LEAST, Comparison.ABOVE})
# What the worse end of a range must be for a comparison to be true, and what the better end must be for it to be false.
RELATIONS = {
    Comparison.AT_LEAST: (ge, lt),
    Comparison.ABOVE: (gt, le),
    Comparison.AT_MOST: (le, gt),
    Comparison.BELOW: (lt, ge),
}


@dataclass(frozen=True, slots=True)
class Name:
    """A fact or conclusion is true."""

    name: str

    def truth(self, truth_of: TruthOf, _: Ranges) -> Truth:
        """As it is said to be."""
        return truth_of(self.name)


@dataclass(frozen=True, slots=True)
class Compare:
    """
    A number or range stands in a relation to a limit; unknown when the range lies on both sides.

    Attributes:
        fact: Name of the fact.
        how: The relation.
        limit: The number, in the fact's unit.
        parameter: Name of the parameter it came from, "" for a number written in place.
        unit: The fact's unit, for reading aloud.
    """

    fact: str
    how: Comparison
    limit: float
    parameter: str = ""
    unit: str = ""

    def truth(self, _: TruthOf, ranges: Ranges) -> Truth:
        """As `against`: it reads no name."""
        return self.against(ranges)

    def against(self, ranges: Ranges) -> Truth:
        """UNKNOWN when the range is not known or lies on both sides."""
        if self.fact not in ranges:
            return UNKNOWN
        low, high = ranges[self.fact]
        worse, better = (low, high) if self.how in HIGHER_HOLDS else (high, low)
        holds, fails = RELATIONS[self.how]
        return TRUE if holds(worse, self.limit) else FALSE if fails(better, self.limit) else UNKNOWN


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true."""

    parts: tuple[Condition, ...]

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """FALSE as soon as one part is."""
        settled = TRUE
        for part in self.parts:
            truth = part.truth(truth_of, ranges)
            if truth is FALSE:
                return truth
            if truth is UNKNOWN:
                settled = truth
        return settled


@dataclass(frozen=True, slots=True)
class Any:
    """Some part is true."""

    parts: tuple[Condition, ...]

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """TRUE as soon as one part is."""
        settled = FALSE
        for part in self.parts:
            truth = part.truth(truth_of, ranges)
            if truth is TRUE:
                return truth
            if truth is UNKNOWN:
                settled = truth
        return settled


@dataclass(frozen=True, slots=True)
class AtLeast:
    """`count` or more of the parts are true."""

    count: int
    parts: tuple[Condition, ...]

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """FALSE when too few can still be true."""
        return at_least(self.count, [part.truth(truth_of, ranges) for part in self.parts])


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Condition

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """UNKNOWN as long as the part is."""
        return ~self.part.truth(truth_of, ranges)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The part could not be decided: true or false, never unknown itself."""

    part: Condition

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """TRUE or FALSE."""
        return TRUE if self.part.truth(truth_of, ranges) is UNKNOWN else FALSE


@dataclass(frozen=True, slots=True)
class Possibly:
    """The part is true or could not be decided ("cannot be ruled out"): never unknown itself."""

    part: Condition

    def truth(self, truth_of: TruthOf, ranges: Ranges) -> Truth:
        """TRUE or FALSE."""
        return FALSE if self.part.truth(truth_of, ranges) is FALSE else TRUE


Condition = Name | Compare | All | Any | AtLeast | Not | Unknown | Possibly


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """The conditions directly inside one."""
    match condition:
        case All(parts) | Any(parts) | AtLeast(_, parts):
            return parts
        case Not(part) | Unknown(part) | Possibly(part):
            return (part,)
        case _:
            return ()


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and everything inside it, outermost first."""
    yield condition
    for part in parts_of(condition):
        yield from walk(part)


def names_in(condition: Condition) -> frozenset[str]:
    """Every fact and conclusion it reads."""
    return frozenset(
        part.name if isinstance(part, Name) else part.fact
        for part in walk(condition)
        if isinstance(part, Name | Compare)
    )
