"""Facts → the total of an instrument that adds points up, as a range when something it needs is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.measurement import range_text
from cds.logic.truth import Truth
from cds.rulebook.wanted import ByBand, ForEach, Highest, Item, WantedPoints, Whether


@dataclass(frozen=True, slots=True)
class ItemPoints:
    """
    What one item adds.

    Attributes:
        low, high: Points it adds at the least and at the most.
        words: For the reader: "length of the episode 2".
        missing: What would settle it.
        found: What it rests on.
        impossible: Why nothing can be scored at all, "" when it can.
    """

    low: float
    high: float
    words: str
    missing: tuple[str, ...] = ()
    found: tuple[FactSource, ...] = ()
    impossible: str = ""


def points(wanted: WantedPoints, facts: Mapping[str, Fact]) -> Fact:
    """
    The total, with the category it falls into.

    An item whose fact is unknown adds its fewest to its most points, so a total is a range rather than a guess. A
    number below an item's first band means that the instrument cannot be scored: the fact is then unknown.
    """
    added = [_add(item, facts) for item in wanted.items]
    found = tuple(found for item in added for found in item.found)
    because = "; ".join(item.words for item in added)
    impossible = [item.impossible for item in added if item.impossible]
    if impossible:
        because = f"cannot be scored: {'; '.join(impossible)}"
        return Fact(
            wanted.name, wanted.label, unit="points", because=because, why_unknown=WhyUnknown.NOT_FOUND, found=found
        )
    low, high = sum(item.low for item in added), sum(item.high for item in added)
    category = _category(wanted, low, high)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit="points",
        text=f"{range_text(low, high)}{f' ({category})' if category else ''}",
        because=because,
        why_unknown=None if low == high else WhyUnknown.NOT_FOUND,
        missing=tuple(dict.fromkeys(what for item in added for what in item.missing)),
        found=found,
    )


def _add(item: Item, facts: Mapping[str, Fact]) -> ItemPoints:
    match item:
        case ByBand():
            return _by_band(item, facts[item.fact])
        case ForEach():
            return _for_each(item, facts[item.fact])
        case Whether():
            return _whether(item, facts[item.fact])
        case Highest():
            return _highest([_add(part, facts) for part in item.of])


def _by_band(item: ByBand, fact: Fact) -> ItemPoints:
    first, every = item.bands[0][0], [points for _, points in item.bands]
    if fact.low is None or fact.high is None:
        missing = fact.missing or (fact.label,)
        return ItemPoints(min(every), max(every), f"{fact.label} not known", missing, fact.found)
    if fact.high < first:
        return ItemPoints(0, 0, f"{fact.label} {fact.text}", impossible=f"{fact.label} is {fact.text}")
    ends = [*(start for start, _ in item.bands[1:]), math.inf]
    reached = [
        points for (start, points), end in zip(item.bands, ends, strict=True) if start <= fact.high and fact.low < end
    ]
    low, high = min(reached), max(reached)
    missing = (fact.missing or (fact.label,)) if low != high else ()
    return ItemPoints(low, high, _words(fact.label, low, high), missing, fact.found)


def _for_each(item: ForEach, fact: Fact) -> ItemPoints:
    if fact.low is None or fact.high is None:
        return ItemPoints(0, math.inf, f"{fact.label} not known", fact.missing or (fact.label,), fact.found)
    low, high = fact.low * item.points, fact.high * item.points
    if item.perhaps:
        return ItemPoints(0, high, f"{fact.label}: 0 to {high:g}, the record cannot tell", (), fact.found)
    return ItemPoints(low, high, _words(fact.label, low, high), fact.missing if low != high else (), fact.found)


def _whether(item: Whether, fact: Fact) -> ItemPoints:
    match fact.truth:
        case Truth.TRUE:
            return ItemPoints(item.points, item.points, _words(fact.label, item.points, item.points), (), fact.found)
        case Truth.FALSE:
            return ItemPoints(0, 0, _words(fact.label, 0, 0), (), fact.found)
    low, high = sorted((0.0, item.points))
    return ItemPoints(
        low, high, f"{_words(fact.label, low, high)}, {fact.because}", fact.missing or (fact.label,), fact.found
    )


def _highest(parts: list[ItemPoints]) -> ItemPoints:
    low, high = max(part.low for part in parts), max(part.high for part in parts)
    decisive = [part for part in parts if part.high > low]
    impossible = "; ".join(part.impossible for part in parts) if all(part.impossible for part in parts) else ""
    return ItemPoints(
        low,
        high,
        "the highest of: " + ", ".join(part.words for part in parts),
        tuple(what for part in decisive for what in part.missing) if low != high else (),
        tuple(found for part in parts for found in part.found),
        impossible,
    )


def _words(label: str, low: float, high: float) -> str:
    return f"{label} {range_text(low, high)}"


def _category(wanted: WantedPoints, low: float, high: float) -> str:
    names = [_called(wanted, end) for end in (low, high)]
    return " to ".join(dict.fromkeys(name for name in names if name))


def _called(wanted: WantedPoints, total: float) -> str:
    return next((name for start, name in reversed(wanted.categories) if total >= start), "")
