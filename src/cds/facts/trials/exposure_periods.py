"""Exposures → stretches of days on one dose, surely and possibly; days are ordinals here, both ends included."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import msgspec

from cds.facts.trials.doses import DailyDose, dosings
from cds.record.model import Exposure, ExposureKind, Span
from cds.terminology.drugs import Recognised

NEVER = (1, 0)


class ExposurePeriod(msgspec.Struct, frozen=True):
    """
    Days on one dose, as one resource shows them.

    Attributes:
        sure: First and last day surely taken; first > last when no day is sure.
        possible: First and last day possibly taken; holds `sure`.
        dose: The dose on these days.
        bounded: The resource itself names an end; without one, a later order may have replaced it.
        ends_itself: The last day is what the resource says, not a guess from what came next.
        exposure: Where it comes from.
        unconfirmed: It goes on by its status alone: of its last days nothing shows that it was still taken.
    """

    sure: tuple[int, int]
    possible: tuple[int, int]
    dose: DailyDose
    bounded: bool
    exposure: Exposure
    unconfirmed: bool = False

    @property
    def kind(self) -> ExposureKind:
        """Which FHIR resource it was read from."""
        return self.exposure.kind


@dataclass(frozen=True, slots=True)
class Successors:
    """
    When other drugs were started that may have taken a drug's place.

    Attributes:
        starts: Their first days, (earliest, latest), sorted.
        unconfirmed_days: An active order surely goes on so many days after the last sign of its drug; None for ever.
        within_days: A start so many days after an order's own, at the most, surely is where that order ended.
    """

    starts: tuple[tuple[int, int], ...] = ()
    within_days: int = 0
    unconfirmed_days: int | None = None

    def after(self, day: int) -> tuple[int, int] | None:
        """The next start after a day."""
        later = bisect_right(self.starts, (day, NO_DAY))
        return self.starts[later] if later < len(self.starts) else None


NO_DAY = 1 << 62  # after every day
NOTHING_AFTER = Successors()


def exposure_periods(
    taken: Iterable[tuple[Exposure, Recognised]], today: int, earliest: int, successors: Successors = NOTHING_AFTER
) -> list[ExposurePeriod]:
    """
    Stretches of one ingredient, in order.

    Args:
        taken: Exposures of that ingredient and what they were recognised as.
        today: Nothing after it counts.
        earliest: The first day of interest, for what has no start.
        successors: Where a stopped order names no end, the next of these ends it (docs/developers/decisions.md).
    """
    listed = list(taken)
    last_sign = max((_last_sign(exposure, today) for exposure, _ in listed), default=0)
    found = []
    for exposure, recognised in listed:
        for dosing in dosings(exposure, recognised.product):
            start, end = dosing.start or exposure.start, dosing.end or exposure.end
            stretch = _stretch(exposure, start, end, dosing.dose, today, earliest, successors)
            if stretch is not None:
                found.append(_confirmed(stretch, last_sign, successors.unconfirmed_days))
    found.sort(key=lambda s: (s.possible, s.sure, not s.bounded, s.exposure.source, s.dose.low or 0.0))
    return _counted_once(_fills_one_after_another(found, today))


def _last_sign(exposure: Exposure, today: int) -> int:
    """The last day up to today on which one resource shows that its drug was ordered, supplied or said to be taken."""
    days = [span.latest.toordinal() for span in (exposure.start, exposure.authored, exposure.end) if span is not None]
    if exposure.start is not None and exposure.supply_days:
        days.append(exposure.start.latest.toordinal() + int(exposure.supply_days * exposure.fills) - 1)
    return max((min(day, today) for day in days), default=0)


def _confirmed(stretch: ExposurePeriod, last_sign: int, unconfirmed_days: int | None) -> ExposurePeriod:
    """The same stretch; of an active order without an end, the days long after the last sign of it are not sure."""
    if unconfirmed_days is None or not stretch.exposure.open_ended or stretch.bounded:
        return stretch
    last = last_sign + unconfirmed_days
    if stretch.sure == NEVER or stretch.sure[1] <= last:
        return stretch
    return msgspec.structs.replace(stretch, sure=(stretch.sure[0], max(last, stretch.sure[0])), unconfirmed=True)


def _counted_once(found: list[ExposurePeriod]) -> list[ExposurePeriod]:
    """
    The same stretches; of those that say the same of the same days, only one surely adds to the dose.

    One order that arrives under two ids looks just so; the sum stays possible. Two orders, or fills, to which one
    system gave two numbers are two. Administrations are events, each of them another.
    """
    alike: dict[tuple[object, ...], _EquivalentOrders] = defaultdict(_EquivalentOrders)
    counted = []
    for stretch in found:
        if stretch.kind is not ExposureKind.ADMINISTRATION and stretch.dose.low is not None:
            said = (stretch.kind, stretch.sure, stretch.possible, stretch.dose.low, stretch.dose.high)
            if not alike[said].is_another(stretch.exposure):
                counted_once = msgspec.structs.replace(stretch.dose, low=None)
                stretch = msgspec.structs.replace(stretch, dose=counted_once)  # noqa: PLW2901 (the same, said again)
        counted.append(stretch)
    return counted


@dataclass(slots=True)
class _EquivalentOrders:
    """Orders that say the same: which ones, and the numbers each system gave them."""

    exposures: set[str] = field(default_factory=set)
    numbers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def is_another(self, exposure: Exposure) -> bool:
        """Whether this is surely another than those before: the first, one of them once more, or numbered apart."""
        if exposure.identity in self.exposures:  # two instructions of one order
            return True
        numbered_apart = any(
            value not in self.numbers.get(system, ()) and len(self.numbers.get(system, ())) == len(self.exposures)
            for system, value in exposure.numbers
        )
        if self.exposures and not numbered_apart:
            return False
        self.exposures.add(exposure.identity)
        for system, value in exposure.numbers:
            self.numbers[system].add(value)
        return True


def _stretch(
    exposure: Exposure,
    start: Span | None,
    end: Span | None,
    dose: DailyDose,
    today: int,
    earliest: int,
    successors: Successors,
) -> ExposurePeriod | None:
    first_possible, first_sure = (start.earliest.toordinal(), start.latest.toordinal()) if start else (earliest, None)
    if first_possible > today:
        return None
    supply = int(exposure.supply_days) if exposure.supply_days else None
    authorised = int(exposure.supply_days * exposure.fills) if exposure.supply_days else None
    bounded = end is not None
    if end is not None:
        last_sure, last_possible = end.earliest.toordinal(), end.latest.toordinal()
    elif exposure.kind is ExposureKind.DISPENSE:
        bounded = True
        if supply is None:
            last_sure, last_possible = first_possible, today
        else:
            last_sure = (first_sure or first_possible) + supply - 1
            last_possible = last_sure
    elif exposure.open_ended:
        last_possible = today
        last_sure = today if authorised is None else min(today, (first_sure or first_possible) + authorised - 1)
    else:
        first = first_sure if first_sure is not None else first_possible
        last_sure, last_possible = _guessed_end(first, supply, authorised, today, successors)
    sure = (first_sure, min(last_sure, today)) if first_sure is not None and not exposure.doubtful else NEVER
    possible = (first_possible, min(last_possible, today))
    if possible[0] > possible[1]:
        return None
    return ExposurePeriod(sure if sure[0] <= sure[1] else NEVER, possible, dose, bounded, exposure)


def _guessed_end(
    first: int, supply: int | None, authorised: int | None, today: int, successors: Successors
) -> tuple[int, int]:
    """
    Last day, surely and possibly, of an order that was stopped or completed and names no end.

    Sure is one supply, or, where none is recorded, up to a successor that came soon enough; refills that were
    authorised, and years until some successor, are only possible.
    """
    after = successors.after(first)
    if after is not None:
        last_sure, last_possible = after[0] - 1, after[1] - 1
        if supply is not None:
            return min(first + supply - 1, last_sure), last_possible
        return (last_sure if last_sure - first < successors.within_days else first), last_possible
    if supply is not None and authorised is not None:
        return first + supply - 1, first + authorised - 1
    return first, today


def _fills_one_after_another(found: list[ExposurePeriod], today: int) -> list[ExposurePeriod]:
    """A fill that comes before the last one of the same product is used up begins when that one ends."""
    placed: list[ExposurePeriod] = []
    used_up: dict[tuple[object, ...], tuple[int, int]] = {}
    for stretch in found:
        if stretch.kind is not ExposureKind.DISPENSE or stretch.sure == NEVER:
            placed.append(stretch)
            continue
        product = tuple(stretch.exposure.drug.codings) or (stretch.exposure.drug.text,)
        first, last = used_up.get(product, (0, 0))
        shift = last + 1 - stretch.sure[0] if first < stretch.sure[0] <= last else 0
        if shift:
            moved = (stretch.sure[0] + shift, min(stretch.sure[1] + shift, today))
            if moved[0] > moved[1]:
                continue
            stretch = msgspec.structs.replace(stretch, sure=moved, possible=moved)  # noqa: PLW2901 (where it was used)
        used_up[product] = (stretch.sure[0], max(last, stretch.sure[1]))
        placed.append(stretch)
    return placed


class Days(msgspec.Struct, frozen=True):
    """
    A run of days on which nothing changes.

    Attributes:
        first, last: Ordinals, both included.
        sure: It was surely taken.
        low, high: Milligrams a day; `high` None when the dose may be anything.
        recorded: Some dose was recorded for these days.
    """

    first: int
    last: int
    sure: bool
    low: float
    high: float | None
    recorded: bool

    @property
    def count(self) -> int:
        """How many days."""
        return self.last - self.first + 1


def day_by_day(found: list[ExposurePeriod]) -> list[Days]:
    """Runs of days with the dose of each, over all resources that speak about them, in order."""
    kinds: dict[ExposureKind, _RunningPeriods] = defaultdict(_RunningPeriods)
    changes: dict[int, list[tuple[ExposurePeriod, bool, int]]] = defaultdict(list)
    for stretch in found:
        for (first, last), sure in ((stretch.possible, False), (stretch.sure, True)):
            if first <= last:
                changes[first].append((stretch, sure, 1))
                changes[last + 1].append((stretch, sure, -1))
    runs = []
    for first, after in pairwise(sorted(changes)):
        for stretch, sure, step in changes[first]:
            running = kinds[stretch.kind]
            (running.surely if sure else running.possibly)(stretch, step)
        here = [running for running in kinds.values() if running.count]
        if here:
            runs.append(_run(first, after - 1, here))
    return runs


def _run(first: int, last: int, here: list[_RunningPeriods]) -> Days:
    sure = any(running.sure_count for running in here)
    known = [running for running in here if running.known]
    if not known:
        return Days(first, last, sure, 0.0, None, recorded=False)
    # A resource without a dose says nothing new about days another kind of resource gives the dose of.
    unknown = any(running.known < running.count for running in known)
    low = max(0.0, *(running.surely_taken() for running in here))
    high = None if unknown else max(running.highs.value for running in known)
    return Days(first, last, sure, low, high, recorded=True)


@dataclass(slots=True)
class _Sum:
    """A sum that can be taken from again without leaving a trace, as floats would; infinity is counted apart."""

    finite: Fraction | int = 0
    infinite: int = 0

    def add(self, amount: float, step: int) -> None:
        if math.isinf(amount):
            self.infinite += step
        else:
            self.finite += step * (int(amount) if amount == int(amount) else Fraction(amount))

    @property
    def value(self) -> float:
        try:
            return math.inf if self.infinite else float(self.finite)
        except OverflowError:
            return math.inf


@dataclass(slots=True)
class _PeriodStarts:
    """Stretches that are surely running, by the day they began: how many, and the milligrams of each day's."""

    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    lows: dict[int, _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    days: list[int] = field(default_factory=list)  # a heap of the days, negated; some have ended since

    def change(self, stretch: ExposurePeriod, step: int) -> None:
        start = stretch.sure[0]
        if start not in self.counts:
            heapq.heappush(self.days, -start)
        self.counts[start] += step
        if stretch.dose.low is not None:
            self.lows[start].add(stretch.dose.low, step)

    def last(self) -> int:
        """The last day on which one that still runs began; 0 if none runs."""
        while self.days and not self.counts[-self.days[0]]:
            heapq.heappop(self.days)
        return -self.days[0] if self.days else 0


@dataclass(slots=True)
class _RunningPeriods:
    """
    Stretches of one kind of resource that cover the day at hand.

    Attributes:
        count: How many possibly do; `known`, how many of them give a dose, and `highs`, what these add up to.
        sure_count: How many surely do.
        bounded, loose: Those that surely do, with an end of their own and without; `bounded_lows` sums the former.
    """

    count: int = 0
    known: int = 0
    highs: _Sum = field(default_factory=_Sum)
    sure_count: int = 0
    bounded: _PeriodStarts = field(default_factory=_PeriodStarts)
    bounded_lows: _Sum = field(default_factory=_Sum)
    loose: _PeriodStarts = field(default_factory=_PeriodStarts)

    def possibly(self, stretch: ExposurePeriod, step: int) -> None:
        """Let a stretch begin (1) or end (-1) to cover the days possibly."""
        self.count += step
        if stretch.dose.high is not None:
            self.known += step
            self.highs.add(stretch.dose.high, step)

    def surely(self, stretch: ExposurePeriod, step: int) -> None:
        """Let a stretch begin (1) or end (-1) to cover the days surely."""
        self.sure_count += step
        (self.bounded if stretch.bounded else self.loose).change(stretch, step)
        if stretch.bounded and stretch.dose.low is not None:
            self.bounded_lows.add(stretch.dose.low, step)

    def surely_taken(self) -> float:
        """
        Milligrams surely taken when several orders cover a day.

        Orders that name their own end add up. Of orders that don't, only those that began last surely run; the earlier
        ones may have been replaced by them, even by one whose dose is not known (which surely gives nothing).
        """
        last = self.loose.last()
        total = _Sum(self.bounded_lows.finite, self.bounded_lows.infinite)
        if last and last >= self.bounded.last():
            newest = self.loose.lows[last]
            total.finite += newest.finite
            total.infinite += newest.infinite
        return total.value
