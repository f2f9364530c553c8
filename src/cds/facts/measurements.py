"""One measurement in the unit a rule wants, and ranges in words."""

from __future__ import annotations

import math

import msgspec

from cds.locale.sentence import say
from cds.record.model import Span


class ConvertedMeasurement(msgspec.Struct, frozen=True):
    """
    One measurement in the wanted unit.

    Attributes:
        when: The day; None if not recorded.
        low, high: The value, or the range a comparator leaves; None when it cannot be read.
        source: FHIR reference.
        wrong: Why it cannot be read, "" when it can.
        empty: There is nothing to read: no value was given.
        final: Whether the result stands.
    """

    when: Span | None
    low: float | None
    high: float | None
    source: str
    wrong: str = ""
    empty: bool = False
    final: bool = True

    def as_anything(self, lowest: float, highest: float) -> ConvertedMeasurement:
        """The same; one that cannot be read may be as low or as high as can be true."""
        if self.low is not None or self.empty:
            return self
        return msgspec.structs.replace(self, low=lowest, high=highest)


def range_text(low: float | None, high: float | None) -> str:
    """A range in words: "17", "2 to 3", "at least 2", "at most 5"; "" when nothing is known ("at least 0")."""
    low = None if low is None or math.isinf(low) else low
    high = None if high is None or math.isinf(high) else high
    if low is None and high is None:
        return ""
    if low is None:
        return say("at most {high}", high=_short(high))
    if high is None and low == 0:
        return ""
    if high is None:
        return say("at least {low}", low=_short(low))
    return _short(low) if low == high else say("{low} to {high}", low=_short(low), high=_short(high))


def _short(value: float | None) -> str:
    return f"{value:.10g}" if value is not None and value == int(value) else f"{value:.4g}"
