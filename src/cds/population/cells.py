"""Counts of people → those that may be shown: small ones are not, and cannot be derived from the others."""

from __future__ import annotations

from collections.abc import Mapping


class CellSuppression:
    """
    What a report on `total` people may show, table by table, in the order it is asked.

    A count of 1 to `smallest` - 1 is hidden, and so is a count that differs by so few from one already shown: of two
    groups, one inside the other, the difference would be such a count. What is hidden in a table cannot be had by
    subtraction: at least two of its counts are, and they come to `smallest` or more.
    """

    def __init__(self, total: int, smallest: int) -> None:
        self._smallest = smallest
        self._shown = {0, total}
        self.total = None if self._is_few(total) else total

    def table(self, cells: Mapping[str, int]) -> dict[str, int | None]:
        """The counts of a table whose cells add up to the total; None where one is hidden."""
        if self.total is None:
            return dict.fromkeys(cells)
        hidden = {name for name, count in cells.items() if self._is_near(count)}
        rest = sorted(cells.keys() - hidden, key=lambda name: (cells[name] == 0, cells[name], name))
        while hidden and rest and (len(hidden) < 2 or sum(cells[name] for name in hidden) < self._smallest):
            hidden.add(rest.pop(0))
        self._shown |= {count for name, count in cells.items() if name not in hidden}
        return {name: None if name in hidden else count for name, count in cells.items()}

    def alone(self, count: int) -> int | None:
        """A count that is part of no table; None where it is hidden."""
        if self.total is None or self._is_near(count):
            return None
        self._shown.add(count)
        return count

    def _is_few(self, count: int) -> bool:
        return 0 < count < self._smallest

    def _is_near(self, count: int) -> bool:
        return count not in self._shown and any(self._is_few(abs(count - shown)) for shown in self._shown)
