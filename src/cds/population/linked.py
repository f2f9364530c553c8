"""Counts of tables that share sums → those that may be shown; a solver finds what could be derived of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cds.errors import CdsError

TOLERANCE = 1e-6
UNBOUNDED = 3  # a status of SciPy's linprog
CellKey: TypeAlias = tuple[str, ...]


class LinkedSum(NamedTuple):
    """A count that is the sum of others."""

    total: CellKey
    parts: tuple[CellKey, ...]


class DerivableCountError(CdsError):
    """Counts that were given as shown tell a small one, whatever else is hidden."""


def suppress_linked(
    counts: Mapping[CellKey, int], sums: Sequence[LinkedSum], given: Mapping[CellKey, int | None], smallest: int
) -> dict[CellKey, int | None]:
    """
    What may be shown of counts that add up to one another; None where one is hidden.

    A count of 1 to `smallest` - 1 is hidden, and then others until each hidden one could be anything in a range of
    `smallest` or more, for whoever knows all that is shown and how it adds up: the largest less the least that a linear
    program finds over every table that could be behind it. `given` is what was decided before: it stays as it is.

    Raises:
        DerivableCountError: What is given tells a small count.
    """
    if smallest <= 1:
        return dict(counts)
    hidden = {
        name for name, count in counts.items() if (given[name] is None if name in given else 0 < count < smallest)
    }
    reader = _Reader(counts, sums)
    waiting, settled = sorted(hidden), set(given)
    while waiting:
        name = waiting[-1]
        wide = reader.range_of(name, hidden)
        if wide < TOLERANCE and not counts[name]:  # that it is none is told anyhow, and may be
            waiting.pop()
            settled.add(name)
            if name not in given:
                hidden.discard(name)
        elif wide >= smallest - TOLERANCE:
            waiting.pop()  # hiding more only widens a range
        elif (more := _next_hidden(name, counts, sums, hidden, settled)) is not None:
            hidden.add(more)
            waiting.insert(0, more)
        else:
            raise DerivableCountError("what the report shows tells a small count of this table")
    return {name: None if name in hidden else count for name, count in counts.items()}


class _Reader:
    """Who reads what is shown, and reckons what the rest can be."""

    def __init__(self, counts: Mapping[CellKey, int], sums: Sequence[LinkedSum]) -> None:
        import numpy as np  # noqa: PLC0415 (in the extra `population`, and slow to import)

        self._names = list(counts)
        self._counts = counts
        self._at = {name: place for place, name in enumerate(self._names)}
        self._sums = np.zeros((len(sums), len(self._names)))
        for row, one in enumerate(sums):
            self._sums[row, self._at[one.total]] = 1
            for part in one.parts:
                self._sums[row, self._at[part]] = -1

    def range_of(self, name: CellKey, hidden: set[CellKey]) -> float:
        """The largest less the least the count can be; infinite where nothing bounds it."""
        import numpy as np  # noqa: PLC0415
        from scipy.optimize import linprog  # noqa: PLC0415

        free = [self._at[one] for one in self._names if one in hidden]
        fixed = [self._at[one] for one in self._names if one not in hidden]
        known = self._sums[:, fixed] @ np.array([float(self._counts[self._names[at]]) for at in fixed])
        wanted = np.array([1.0 if at == self._at[name] else 0.0 for at in free])
        least, most = (
            linprog(sign * wanted, A_eq=self._sums[:, free], b_eq=-known, bounds=(0, None), method="highs")
            for sign in (1, -1)
        )
        if most.status == UNBOUNDED:
            return float("inf")
        if least.status or most.status:
            raise ArithmeticError(f"the solver could not settle a table: {most.message}")
        return float(-most.fun - least.fun)


def _next_hidden(
    name: CellKey,
    counts: Mapping[CellKey, int],
    sums: Sequence[LinkedSum],
    hidden: set[CellKey],
    settled: set[CellKey],
) -> CellKey | None:
    """The count whose hiding is nearest to help: of a sum with one hidden count alone, else of any sum in reach."""
    reached, lines = [name], []
    for one in reached:
        for line in sums:
            members = (line.total, *line.parts)
            if one in members and line not in lines:
                lines.append(line)
                reached += [other for other in members if other in hidden and other not in reached]
    alone = [line for line in lines if sum(other in hidden for other in (line.total, *line.parts)) == 1]
    for line in (*alone, *lines, *sums):
        able = [other for other in (*line.parts, line.total) if other not in hidden and other not in settled]
        if able:
            return min(able, key=lambda other: (counts[other] == 0, counts[other], other))
    return None
