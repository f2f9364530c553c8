"""How much goes on at once: threads that decide, a queue that ends, fair turns, and a time after which a wait ends."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar

import anyio

from cds.api.callers import current_caller
from cds.api.fair_queue import FairQueue
from cds.errors import BusyError, TookTooLongError

ACTIVE_SECONDS = 60.0  # a caller that asked so lately keeps its share
MAX_CALLERS = 10_000  # remembered as active
log = logging.getLogger(__name__)
T = TypeVar("T")


class Admission:
    """
    Turns of requests at the threads that decide.

    Callers take turns; while several ask, none has more than half of the threads and of the places.
    A thread cannot be stopped: when a decision takes too long its caller is answered, and the thread stays taken until
    it ends. Such decisions are counted as overdue.

    Attributes:
        inside: Requests that were let in and not answered yet.
        overdue: Decisions still under way whose callers were answered already.
    """

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self.inside = 0
        self.overdue = 0
        self._at_once = at_once
        self._most = at_once + waiting
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="decide")
        self._counting = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._asked_at: dict[str, float] = {}

    @property
    def stuck(self) -> bool:
        """Whether every thread is taken by a decision that nobody waits for any longer."""
        return self.overdue >= self._at_once

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """
        A place for one request, from before its body is read until it is answered.

        Raises:
            BusyError: All places are taken.
            TookTooLongError: The block was left before its end, because its time is over.
        """
        caller = current_caller()
        if self.inside >= self._most or self._inside[caller] >= self._share(caller, self._most):
            raise BusyError("Too many requests are under way", fix="Send it again a little later")
        self.inside += 1
        self._inside[caller] += 1
        try:
            with anyio.move_on_after(self._seconds) as deadline:
                yield
        finally:
            self.inside -= 1
            self._inside[caller] -= 1
            self._inside += Counter()  # forgets those that have none
        if deadline.cancelled_caught:
            raise TookTooLongError(
                f"The answer took longer than {self._seconds:g} seconds",
                fix="Send it again later, send less data, or raise CDS_REQUEST_TIMEOUT on the server",
            )

    async def run_in_worker(self, work: Callable[[], T]) -> T:
        """What `work` gives, made in one of the threads when it is its caller's turn."""
        caller = current_caller()
        await self._turn(caller)
        loop = asyncio.get_running_loop()
        running = self._threads.submit(copy_context().run, work)  # its log lines bear the request's id

        def ended(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._free, caller)

        running.add_done_callback(ended)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if not running.cancel():
                self._count(1)
                log.error("a decision goes on after its time; overdue: %d", self.overdue)
                running.add_done_callback(self._ended)
            raise

    async def _turn(self, caller: str) -> None:
        """Wait for one of the threads."""
        if not self._waiting.holds(caller) and self._may_run(caller):
            self._running[caller] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.push(caller, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(caller)  # it came, and is not needed any more
            else:
                self._waiting.remove(caller, turn)
            raise

    def _free(self, caller: str) -> None:
        self._running[caller] -= 1
        self._running += Counter()
        while (found := self._waiting.pop(lambda name, _: self._may_run(name))) is not None:
            name, turn = found
            if not turn.done():
                self._running[name] += 1
                turn.set_result(None)

    def _may_run(self, caller: str) -> bool:
        free = self._running.total() < self._at_once
        return free and self._running[caller] < self._share(caller, self._at_once)

    def _share(self, caller: str, of: int) -> int:
        """How many of the threads or places a caller may have: all, or half of them while others ask."""
        now = time.monotonic()
        self._asked_at.pop(caller, None)
        self._asked_at[caller] = now  # at the end: they are in the order of their last call
        while len(self._asked_at) > 1:
            oldest = next(iter(self._asked_at))
            if now - self._asked_at[oldest] < ACTIVE_SECONDS and len(self._asked_at) <= MAX_CALLERS:
                break
            del self._asked_at[oldest]
        return of if len(self._asked_at) == 1 else max(1, of // 2)

    def _ended(self, _: Future[Any]) -> None:
        self._count(-1)
        log.info("an overdue decision has ended; overdue: %d", self.overdue)

    def _count(self, change: int) -> None:
        with self._counting:
            self.overdue += change

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
