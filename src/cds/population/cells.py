"""Counts of people → those that may be shown: small ones are not, and cannot be derived from the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple


class CellSuppression:
    """
    What a report on `total` people may show, table by table, in the order it is asked.

    A count of 1 to `smallest` - 1 is hidden, and so is a count that differs by so few from one already shown: of two
    groups, one inside the other, the difference would be such a count. Groups that share nobody (cells of one table)
    and a group shown before (known by its members) are no such pair. What is hidden in a table cannot be had by
    subtraction: at least two of its counts are, and they come to `smallest` or more.
    """

    def __init__(self, total: int, smallest: int) -> None:
        self._smallest = smallest
        self._shown: list[_ShownCount] = [_ShownCount(0), _ShownCount(total)]
        self.total = None if self._is_few(total) else total

    def table(self, cells: Mapping[str, int], members: Mapping[str, int] | None = None) -> dict[str, int | None]:
        """
        The counts of a table whose cells add up to the total; None where one is hidden.

        `members` is a digest of the people of each cell: the same people, the same digest.
        """
        if self.total is None:
            return dict.fromkeys(cells)
        known = members or {}
        hidden = {name for name, count in cells.items() if self._is_near(count, known.get(name))}
        rest = sorted(cells.keys() - hidden, key=lambda name: (cells[name] == 0, cells[name], name))
        while hidden and rest and (len(hidden) < 2 or sum(cells[name] for name in hidden) < self._smallest):
            hidden.add(rest.pop(0))
        self._shown += [_ShownCount(count, known.get(name)) for name, count in cells.items() if name not in hidden]
        return {name: None if name in hidden else count for name, count in cells.items()}

    def alone(self, count: int, members: int | None = None, apart_from: Collection[int] = ()) -> int | None:
        """
        A count that is part of no table; None where it is hidden.

        `members` is a digest of its people; `apart_from` are those of groups that share nobody with it.
        """
        if self.total is None or self._is_near(count, members, apart_from):
            return None
        self._shown.append(_ShownCount(count, members))
        return count

    def _is_few(self, count: int) -> bool:
        return 0 < count < self._smallest

    def _is_near(self, count: int, members: int | None, apart_from: Collection[int] = ()) -> bool:
        if members is not None and any(shown.members == members for shown in self._shown):
            return False
        return any(
            self._is_few(abs(count - shown.patients)) for shown in self._shown if shown.members not in apart_from
        )


class _ShownCount(NamedTuple):
    patients: int
    members: int | None = None
