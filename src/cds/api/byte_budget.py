"""How many bytes of bodies may be in memory at once, over all requests of a process, and in turn among callers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cds.api.fair_queue import FairQueue
from cds.errors import BusyError

HELD = "held_bytes"  # name in a request's state
WAIT_SECONDS = 10.0  # for a place for a body


@dataclass(slots=True)
class _Waiter:
    size: int
    ready: asyncio.Future[None]


class HeldBytes:
    """What one request holds of the budget."""

    def __init__(self, budget: ByteBudget, caller: str) -> None:
        self.size = 0
        self.caller = caller
        self._budget = budget

    async def expect(self, size: int) -> None:
        """
        Wait for room for a body of so many bytes, before it is read.

        Raises:
            BusyError: There was none in time.
        """
        await self._budget.take(self, size)

    def grow(self, size: int) -> None:
        """
        The body has become so large; without waiting, since what is held already would be waited for by others.

        Raises:
            BusyError: There is no room for it.
        """
        if size > self.size:
            self._budget.take_now(self, size - self.size)

    def settle(self, size: int) -> None:
        """The body is read, and so large: what was expected beyond is given back."""
        if size < self.size:
            self._budget.give_back(self.caller, self.size - size)
            self.size = size


class ByteBudget:
    """
    Bytes of bodies that may be held at once; one caller may hold half of them.

    Attributes:
        max_bytes: For all together.
        held: So many are held now.
    """

    def __init__(self, max_bytes: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self.max_bytes = max_bytes
        self.held = 0
        self._share = max_bytes // 2
        self._by_caller: dict[str, int] = {}
        self._waiting: FairQueue[_Waiter] = FairQueue()
        self._wait_seconds = wait_seconds

    @contextmanager
    def holding(self, caller: str) -> Iterator[HeldBytes]:
        """What a request holds, given back at the end of the block."""
        held = HeldBytes(self, caller)
        try:
            yield held
        finally:
            if held.size:
                self.give_back(held.caller, held.size)

    async def take(self, held: HeldBytes, size: int) -> None:
        """As `HeldBytes.expect`."""
        if not self._waiting.holds(held.caller) and self._fits(held.caller, size):
            self._add(held, size)
            return
        waiter = _Waiter(size, asyncio.get_running_loop().create_future())
        self._waiting.push(held.caller, waiter)
        try:
            await asyncio.wait_for(waiter.ready, self._wait_seconds)
        except TimeoutError:
            raise _no_room() from None
        finally:
            if waiter.ready.done() and not waiter.ready.cancelled():
                held.size += size  # given even if nobody waits any more: it goes back with the request
            else:
                self._waiting.remove(held.caller, waiter)

    def take_now(self, held: HeldBytes, size: int) -> None:
        """As `HeldBytes.grow`."""
        if not self._fits(held.caller, size):
            raise _no_room()
        self._add(held, size)

    def _fits(self, caller: str, size: int) -> bool:
        own = self._by_caller.get(caller, 0)
        # A body that alone is more than a share is read when its caller holds nothing else.
        return self.held + size <= self.max_bytes and (own == 0 or own + size <= self._share)

    def _add(self, held: HeldBytes, size: int) -> None:
        self._count(held.caller, size)
        held.size += size

    def _count(self, caller: str, size: int) -> None:
        self.held += size
        own = self._by_caller.get(caller, 0) + size
        if own:
            self._by_caller[caller] = own
        else:
            self._by_caller.pop(caller, None)

    def give_back(self, caller: str, size: int) -> None:
        """Let so many bytes be taken by those that wait."""
        self._count(caller, -size)
        while (found := self._waiting.pop(lambda name, waiter: self._fits(name, waiter.size))) is not None:
            name, waiter = found
            self._count(name, waiter.size)
            waiter.ready.set_result(None)


def _no_room() -> BusyError:
    return BusyError("Too much is being sent at once", fix="Send it again a little later")
