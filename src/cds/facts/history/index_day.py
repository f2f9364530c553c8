"""Eras and diagnoses → the first day on which a definition is met. Days are ordinals, both ends included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from cds.facts.history.eras import Era, Eras
from cds.logic.truth import Truth


class EarlierDrugs(msgspec.Struct, frozen=True):
    """
    How many drugs must have been taken by a day.

    Attributes:
        eras: Where they are counted.
        drugs: At least so many different ones.
        on_that_day: Eras that begin on the day itself count too.
        ended_within: Eras that ended more than so many days before it do not count; None if all count.
        longer_than: Eras of no more days than this, up to the day before, do not count, unless they are procedures;
            None if all count.
    """

    eras: Eras
    drugs: int
    on_that_day: bool
    ended_within: int | None
    longer_than: int | None


class Route(msgspec.Struct, frozen=True):
    """
    One way to meet the definition: an era begins after so many drugs; all of `after` must hold.

    With `longer_than` the era that begins lasts more than so many days, unless it is a procedure.
    """

    begins: Eras
    after: tuple[EarlierDrugs, ...]
    longer_than: int | None = None

    def long_enough(self, era: Era) -> bool:
        """Whether an era lasts as long as is asked for."""
        return self.longer_than is None or era.procedure or era.days > self.longer_than


class DatedEntries(msgspec.Struct, frozen=True):
    """
    Entries of one kind in the record.

    Attributes:
        sure: Days on which there surely is one.
        possible: First and last day between which one may lie, of those that are not sure.
        anywhere: One may lie on any day: the data did not come whole.
    """

    sure: tuple[int, ...] = ()
    possible: tuple[tuple[int, int], ...] = ()
    anywhere: bool = False

    def between(self, first: int, last: int) -> Truth:
        """Whether there is one on or between two days."""
        if any(first <= day <= last for day in self.sure):
            return Truth.TRUE
        if self.anywhere or any(earliest <= last and first <= latest for earliest, latest in self.possible):
            return Truth.UNKNOWN
        return Truth.FALSE


class Entry(msgspec.Struct, frozen=True):
    """
    What must hold on the day.

    Attributes:
        routes: One of them.
        diagnosis, within: A diagnosis on the day or at most so many days before it; None if none is needed, and
            for any time before.
        unless: None of these ever, up to and on the day.
    """

    routes: tuple[Route, ...]
    diagnosis: DatedEntries | None
    within: int | None
    unless: tuple[DatedEntries, ...]


class FirstDay(msgspec.Struct, frozen=True):
    """
    Whether there is such a day.

    Attributes:
        truth: TRUE if there is one for certain.
        day: The first such day, where it is certain that there is none before it; None otherwise.
    """

    truth: Truth
    day: int | None


def first_day(entry: Entry, today: int) -> FirstDay:
    """The first day up to today on which some era begins by a route and everything else holds."""
    days = sorted({day for route in entry.routes for day in _candidates(route.begins, today)})
    in_doubt = False
    for first, last in days:
        truth = _on(entry, first, last)
        if truth is Truth.TRUE:
            return FirstDay(Truth.TRUE, None if in_doubt else first)
        in_doubt = in_doubt or truth is Truth.UNKNOWN
    return FirstDay(Truth.UNKNOWN if in_doubt else Truth.FALSE, None)


def _candidates(begins: Eras, today: int) -> Iterable[tuple[int, int]]:
    """
    Days on which an era may begin, as (earliest, latest).

    A sure era begins on its first day or before; a possible one may begin on any day up to the first sure one in it.
    """
    for era in begins.possible:
        within = [sure for sure in begins.sure if sure.drug == era.drug and era.first <= sure.first <= era.last]
        if within and within[0].first == era.first:
            yield era.first, era.first
        else:
            yield era.first, min(within[0].first if within else era.last, today)
        for sure in within[1:]:
            yield sure.first, sure.first


def _on(entry: Entry, first: int, last: int) -> Truth:
    """Whether the definition is met on a day between the two; certain only where they are the same."""
    found = _any_of(_by_route(route, first, last) for route in entry.routes)
    if found is Truth.FALSE:
        return found
    if entry.diagnosis is not None:
        found = _both(found, entry.diagnosis.between(1 if entry.within is None else first - entry.within, last))
    for unless in entry.unless:
        by_then = unless.between(1, first)
        if by_then is Truth.FALSE and first < last and unless.between(1, last) is not Truth.FALSE:
            by_then = Truth.UNKNOWN
        found = _both(found, ~by_then)
    return found if first == last or found is Truth.FALSE else Truth.UNKNOWN


def _by_route(route: Route, first: int, last: int) -> Truth:
    surely = first == last and any(
        era.first == first
        and route.long_enough(era)
        and any(p.drug == era.drug and p.first == first for p in route.begins.possible)
        for era in route.begins.sure
    )
    found = Truth.TRUE if surely else Truth.UNKNOWN
    possible = [era for era in route.begins.possible if route.long_enough(era)]
    if not surely and not any(_may_begin(era, route.begins.sure, first, last) for era in possible):
        return Truth.FALSE
    for earlier in route.after:
        found = _both(found, _enough(earlier, first, last))
    return found


def _may_begin(era: Era, sure: Sequence[Era], first: int, last: int) -> bool:
    """Whether an era of this drug may begin between two days: not where one that is sure has already begun."""
    if not (era.first <= last and first <= era.last):
        return False
    covering = [other for other in sure if other.drug == era.drug and other.first < first and last <= other.last]
    return not covering


def _enough(earlier: EarlierDrugs, first: int, last: int) -> Truth:
    if _drugs(earlier.eras.sure, earlier, first, last) >= earlier.drugs:
        return Truth.TRUE
    return Truth.UNKNOWN if _drugs(earlier.eras.possible, earlier, last, first) >= earlier.drugs else Truth.FALSE


def _drugs(eras: Sequence[Era], earlier: EarlierDrugs, begun_by: int, ended_from: int) -> int:
    """Different drugs with an era that began by one day and counts as ended recently enough on another."""
    begun = begun_by if earlier.on_that_day else begun_by - 1
    return len({
        era.drug
        for era in eras
        if era.first <= begun
        and (earlier.ended_within is None or era.last >= ended_from - earlier.ended_within)
        and (
            earlier.longer_than is None
            or era.procedure
            or min(era.last, begun_by - 1) - era.first + 1 > earlier.longer_than
        )
    })  # fmt: skip


def _both(one: Truth, other: Truth) -> Truth:
    if Truth.FALSE in (one, other):
        return Truth.FALSE
    return Truth.UNKNOWN if Truth.UNKNOWN in (one, other) else Truth.TRUE


def _any_of(truths: Iterable[Truth]) -> Truth:
    found = Truth.FALSE
    for truth in truths:
        if truth is Truth.TRUE:
            return truth
        if truth is Truth.UNKNOWN:
            found = truth
    return found
