"""Days of treatment and of entries → the day an episode begins on after the last pause. Days are ordinals."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class BusyDays(msgspec.Struct, frozen=True, order=True):
    """A stretch of days, both ends included, on which something was taken or an entry was made; and its source."""

    first: int
    last: int
    source: str = ""


class Resumption(msgspec.Struct, frozen=True):
    """
    When an episode began after a pause.

    Attributes:
        earliest, latest: The first day after the pause, surely not before and surely not after; 0 as the earliest where
            there may have been no pause.
        source: What began it; "" where that is not sure, and where nothing did.
        pause: Days of the pause; None where there may have been none.
        over: Nothing came after the pause, up to today.
    """

    earliest: int
    latest: int
    source: str = ""
    pause: int | None = None
    over: bool = False


def resumption(
    sure: Iterable[BusyDays], possible: Iterable[BusyDays], at_least: int, today: int, *, whole: bool
) -> Resumption | None:
    """
    The begin after the last pause of so many days; None where there is surely no such pause.

    `possible` are all stretches at their longest, those that are sure among them. Where not everything came (`whole`
    is false), something unseen may lie in every pause, and one more pause before all that is seen.
    """
    first, last = _pauses(sure, at_least, today)
    certain = _pauses(possible, at_least, today)[1] if whole else None
    if last is None and certain is None and whole:
        return None
    latest = today if first is None or (last is not None and last.over) else first if last is None else last.until
    if certain is None or first is None or first >= certain.until:
        return Resumption(0, latest)
    return Resumption(certain.until, latest, certain.source, certain.days, certain.over)


class _Pause(msgspec.Struct, frozen=True):
    """A pause: its days, the day after it, and what ended it; with `over`, it goes on up to today."""

    days: int
    until: int
    source: str = ""
    over: bool = False


def _pauses(busy: Iterable[BusyDays], at_least: int, today: int) -> tuple[int | None, _Pause | None]:
    """The first busy day, and the last pause after it."""
    first: int | None = None
    reached = 0
    last: _Pause | None = None
    for one in sorted(busy):
        if first is None:
            first = one.first
        elif one.first - reached > at_least:
            last = _Pause(one.first - reached - 1, one.first, one.source)
        reached = max(reached, one.last)
    if first is not None and today - reached >= at_least:
        last = _Pause(today - reached, reached + 1, over=True)
    return first, last
