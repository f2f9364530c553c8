"""The whole grammar of conditions, with every name resolved and every number in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Comparison(Enum):
    """How a number is compared with its limit; the word a rule file writes."""

    AT_LEAST = "at_least"
    ABOVE = "above"
    AT_MOST = "at_most"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Name:
    """A fact or conclusion is true."""

    name: str


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


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Some part is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """`count` or more of the parts are true."""

    count: int
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Unknown:
    """The part could not be decided: true or false, never unknown itself."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Possibly:
    """The part is true or could not be decided ("cannot be ruled out"): never unknown itself."""

    part: Condition


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
