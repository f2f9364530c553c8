"""Three answers: true, false, unknown (strong Kleene logic, as in CQL)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NoReturn


class Truth(Enum):
    """What we can say of a statement: strong Kleene logic, as in CQL."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"

    __hash__ = object.__hash__  # each is one object; Enum's own hash is Python code, and truths are looked up a lot

    @classmethod
    def of(cls, known: bool) -> Truth:
        """TRUE or FALSE for something that is known."""
        return cls.TRUE if known else cls.FALSE

    def __bool__(self) -> NoReturn:
        raise TypeError("A Truth has three values; write `is Truth.TRUE` to say which one you mean.")

    def __invert__(self) -> Truth:
        if self is Truth.UNKNOWN:
            return self
        return Truth.of(self is Truth.FALSE)


TRUTHS = frozenset(Truth)
KNOWN = frozenset({Truth.TRUE, Truth.FALSE})


def every(parts: Iterable[Truth]) -> Truth:
    """Conjunction: true if all are, false as soon as one is, unknown otherwise; TRUE for no parts."""
    settled = Truth.TRUE
    for part in parts:
        if part is Truth.FALSE:
            return part
        if part is Truth.UNKNOWN:
            settled = part
    return settled


def some(parts: Iterable[Truth]) -> Truth:
    """Disjunction: true as soon as one is, false if all are, unknown otherwise; FALSE for no parts."""
    settled = Truth.FALSE
    for part in parts:
        if part is Truth.TRUE:
            return part
        if part is Truth.UNKNOWN:
            settled = part
    return settled


def at_least(count: int, parts: Iterable[Truth]) -> Truth:
    """True if `count` or more are true, false if too few can still be, unknown otherwise."""
    listed = list(parts)
    sure = listed.count(Truth.TRUE)
    possible = sure + listed.count(Truth.UNKNOWN)
    if sure >= count:
        return Truth.TRUE
    return Truth.FALSE if possible < count else Truth.UNKNOWN
