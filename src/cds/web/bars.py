"""Counts by day → places of bars in a drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from cds.locale.sentence import counted, join_texts, say

HEIGHT, TOP, BOTTOM, SIDE = 140, 18, 20, 6
MOST_BARS = 120  # a longer time is drawn in steps of several days


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One bar, from its floor: the part that is filled, the whole, and what it says when pointed at."""

    x: float
    width: float
    whole: float
    part: float
    says: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """A drawing: its size, where its floor is, its bars, the highest count, and dates along the axis."""

    width: int
    height: int
    floor: int
    bars: tuple[ChartBar, ...]
    highest: int
    dates: tuple[tuple[float, str, str], ...]
    says: str


def bars(counts: Mapping[date, tuple[int, int]], first: date, last: date, width: int) -> BarChart:
    """
    Decisions of each day, (all, those of them with a card), drawn so wide.

    Args:
        counts: Day → counts; a day that is not in it has none.
        first, last: What the axis spans, both included.
        width: Of the drawing, in pixels.
    """
    days = (last - first).days + 1
    step = math.ceil(days / MOST_BARS)
    steps = math.ceil(days / step)
    room = (width - 2 * SIDE) / steps
    sums = []
    for index in range(steps):
        begins = first + timedelta(days=index * step)
        own = [counts.get(begins + timedelta(days=day), (0, 0)) for day in range(step)]
        sums.append((begins, sum(one for one, _ in own), sum(other for _, other in own)))
    highest = max((whole for _, whole, _ in sums), default=0)
    scale = HEIGHT / highest if highest else 0.0
    made = tuple(
        ChartBar(
            round(SIDE + index * room, 1),
            round(max(1.0, room * 0.8), 1),
            round(whole * scale, 1),
            round(part * scale, 1),
            join_texts(": ", [_days(begins, step), _counted(whole, part)]),
        )
        for index, (begins, whole, part) in enumerate(sums)
        if whole
    )
    total, parts = sum(whole for _, whole, _ in sums), sum(part for _, _, part in sums)
    return BarChart(
        width,
        TOP + HEIGHT + BOTTOM,
        TOP + HEIGHT,
        made,
        highest,
        ((SIDE, "start", str(first)), (width - SIDE, "end", str(last))),
        join_texts(": ", [say("{first} to {last}", first=first, last=last), _counted(total, parts)]),
    )


def _days(begins: date, step: int) -> str:
    if step == 1:
        return str(begins)
    return counted("{day} and {number} more day", "{day} and {number} more days", step - 1, day=begins)


def _counted(whole: int, part: int) -> str:
    return join_texts(
        ", ", [counted("{number} decision", "{number} decisions", whole), say("{number} with a card", number=part)]
    )
