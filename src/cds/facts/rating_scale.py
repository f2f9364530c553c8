"""Facts → the total of an instrument that adds points up, as a range when something it needs is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, PRESENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.yaml_source.fields import Ascending, Cites, NoMutant, Refers, Slug, Snake, Strict, Text


class Band(Strict):
    """From this number on, so many points."""

    from_: Annotated[int | float, Field(alias="from"), Ascending()]
    points: int | float


class BandsItem(Strict):
    """Points by where a number lies; below the first band nothing can be scored."""

    from_: Annotated[Snake, Refers(NUMBER), Field(alias="from")]
    bands: Annotated[list[Band], Field(min_length=2)]


class EachItem(Strict):
    """Points for each of what was counted."""

    each: Annotated[Snake, Refers(NUMBER)]
    points: int | float
    perhaps: Annotated[bool, Field(description="The chart does not say for which of them; from none to all.")] = False


class IfItem(Strict):
    """Points if something is recorded."""

    if_: Annotated[Snake, Refers(PRESENT), Field(alias="if")]
    points: int | float


class HighestItem(Strict):
    """The highest of several."""

    highest_of: Annotated[list[PointsItem], Field(min_length=2)]


def _kind_of_item(value: Any) -> str:
    if isinstance(value, BaseModel):
        return {"BandsItem": "bands", "EachItem": "each", "IfItem": "if", "HighestItem": "highest_of"}[
            type(value).__name__
        ]
    keys = set(value) if isinstance(value, dict) else set()
    return next((key for key in ("highest_of", "each", "if") if key in keys), "bands")


PointsItem = Annotated[
    Annotated[BandsItem, Tag("bands")]
    | Annotated[EachItem, Tag("each")]
    | Annotated[IfItem, Tag("if")]
    | Annotated[HighestItem, Tag("highest_of")],
    Discriminator(_kind_of_item),
]


HighestItem.model_rebuild()


class Category(Strict):
    """What a total from this number on is called."""

    from_: Annotated[int | float, Field(alias="from"), Ascending()]
    name: Text


class PointsFact(FactBase):
    """The total of an instrument that adds points up: a published table, with its evidence."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "What is added has its own windows: remove it."
    find: Literal["points"]
    unit: Literal["points"]
    evidence: Annotated[list[Slug], Cites(), NoMutant(), Field(min_length=1)]
    adds: Annotated[list[PointsItem], Field(min_length=1)]
    categories: list[Category] = []

    def compile(self, name: str, numbers: Numbers) -> CompiledPoints:
        """The fact with every number in place."""
        return CompiledPoints(
            **self.common(name, numbers),
            items=tuple(points_item(item) for item in self.adds),
            categories=tuple((float(category.from_), category.name) for category in self.categories),
        )


@dataclass(frozen=True, slots=True)
class ByBand:
    """Points by where a number fact lies: ascending (from, points); below the first nothing can be scored."""

    fact: str
    bands: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ForEach:
    """Points for each of what a number fact counts; `perhaps`: for none to all of them."""

    fact: str
    points: float
    perhaps: bool


@dataclass(frozen=True, slots=True)
class Whether:
    """Points when a statement is true."""

    fact: str
    points: float


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest of several items."""

    of: tuple[Item, ...]


Item = ByBand | ForEach | Whether | Highest


@dataclass(frozen=True, slots=True)
class CompiledPoints(CompiledFact):
    """
    The total of an instrument that adds points up.

    Attributes:
        items: What is added.
        categories: Ascending (from, name): what a total is called.
    """

    items: tuple[Item, ...]
    categories: tuple[tuple[float, str], ...]

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(name for item in self.items for name in facts_of(item))

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `points`."""
        return points(self, context.facts)


def points_item(item: Any) -> Item:
    """One item of an instrument."""
    match item:
        case BandsItem():
            return ByBand(item.from_, tuple((float(band.from_), float(band.points)) for band in item.bands))
        case EachItem():
            return ForEach(item.each, float(item.points), item.perhaps)
        case IfItem():
            return Whether(item.if_, float(item.points))
        case HighestItem():
            return Highest(tuple(points_item(part) for part in item.highest_of))
    raise TypeError(f"no such item: {type(item).__name__}")


def facts_of(item: Item) -> tuple[str, ...]:
    """Names of the facts an item reads."""
    if isinstance(item, Highest):
        return tuple(name for part in item.of for name in facts_of(part))
    return (item.fact,)


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


def points(wanted: CompiledPoints, facts: Mapping[str, Fact]) -> Fact:
    """
    The total, with the category it falls into.

    An item whose fact is unknown adds its fewest to its most points, so a total is a range rather than a guess. A
    number below an item's first band means that the instrument cannot be scored: the fact is then unknown.
    """
    added = [_add(item, facts) for item in wanted.items]
    found = tuple(found for item in added for found in item.found)
    because = join_texts("; ", (item.words for item in added))
    impossible = [item.impossible for item in added if item.impossible]
    if impossible:
        because = say("cannot be scored: {impossible}", impossible=join_texts("; ", impossible))
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
        text=range_text(low, high) + (join_texts("", [" (", category, ")"]) if category else ""),
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
        return ItemPoints(min(every), max(every), say("{label} not known", label=fact.label), missing, fact.found)
    if fact.high < first:
        return ItemPoints(
            0,
            0,
            join_texts(" ", [fact.label, fact.text]),
            impossible=say("{label} is {text}", label=fact.label, text=fact.text),
        )
    ends = [*(start for start, _ in item.bands[1:]), math.inf]
    reached = [
        points for (start, points), end in zip(item.bands, ends, strict=True) if start <= fact.high and fact.low < end
    ]
    low, high = min(reached), max(reached)
    missing = (fact.missing or (fact.label,)) if low != high else ()
    return ItemPoints(low, high, _words(fact.label, low, high), missing, fact.found)


def _for_each(item: ForEach, fact: Fact) -> ItemPoints:
    if fact.low is None or fact.high is None:
        return ItemPoints(
            0, math.inf, say("{label} not known", label=fact.label), fact.missing or (fact.label,), fact.found
        )
    low, high = fact.low * item.points, fact.high * item.points
    if item.perhaps:
        most = f"{high:g}" if math.isfinite(high) else say("any number")
        words = say("{label}: 0 to {high}, not in the chart", label=fact.label, high=most)
        return ItemPoints(0, high, words, (), fact.found)
    return ItemPoints(low, high, _words(fact.label, low, high), fact.missing if low != high else (), fact.found)


def _whether(item: Whether, fact: Fact) -> ItemPoints:
    match fact.truth:
        case Truth.TRUE:
            return ItemPoints(item.points, item.points, _words(fact.label, item.points, item.points), (), fact.found)
        case Truth.FALSE:
            return ItemPoints(0, 0, _words(fact.label, 0, 0), (), fact.found)
    low, high = sorted((0.0, item.points))
    return ItemPoints(
        low,
        high,
        join_texts(", ", [_words(fact.label, low, high), fact.because]),
        fact.missing or (fact.label,),
        fact.found,
    )


def _highest(parts: list[ItemPoints]) -> ItemPoints:
    low, high = max(part.low for part in parts), max(part.high for part in parts)
    decisive = [part for part in parts if part.high > low]
    impossible = join_texts("; ", (part.impossible for part in parts)) if all(part.impossible for part in parts) else ""
    return ItemPoints(
        low,
        high,
        say("the highest of: {items}", items=join_texts(", ", (part.words for part in parts))),
        tuple(what for part in decisive for what in part.missing) if low != high else (),
        tuple(found for part in parts for found in part.found),
        impossible,
    )


def _words(label: str, low: float, high: float) -> str:
    return join_texts(" ", [label, range_text(low, high)])


def _category(wanted: CompiledPoints, low: float, high: float) -> str:
    names = [_called(wanted, end) for end in (low, high)]
    return join_texts(say(" to "), dict.fromkeys(name for name in names if name))


def _called(wanted: CompiledPoints, total: float) -> str:
    return next((name for start, name in reversed(wanted.categories) if total >= start), "")
