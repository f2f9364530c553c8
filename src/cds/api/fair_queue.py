"""A queue in which callers take turns, however much one of them puts into it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items by caller: first in, first out for each; the caller that was served last comes last."""

    def __init__(self) -> None:
        self._by_caller: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._by_caller.values()))

    def holds(self, caller: str) -> bool:
        """Whether something of this caller waits."""
        return caller in self._by_caller

    def push(self, caller: str, item: T) -> None:
        """Put an item behind the caller's others."""
        self._by_caller.setdefault(caller, deque()).append(item)

    def pop(self, may: Callable[[str, T], bool] = lambda caller, item: True) -> tuple[str, T] | None:  # noqa: ARG005
        """Take the first item of the first caller in turn whose first item may be served; None if there is none."""
        for caller, items in self._by_caller.items():
            if may(caller, items[0]):
                item = items.popleft()
                del self._by_caller[caller]
                if items:
                    self._by_caller[caller] = items  # at the end
                return caller, item
        return None

    def remove(self, caller: str, item: T) -> None:
        """Take out an item that is waited for no longer; nothing if it is gone already."""
        items = self._by_caller.get(caller)
        if items is not None and item in items:
            items.remove(item)
            if not items:
                del self._by_caller[caller]
