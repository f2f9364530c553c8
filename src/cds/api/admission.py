"""How much goes on at once: threads that decide, a queue that ends, and a time after which nobody waits any longer."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, TypeVar

import anyio

from cds.errors import BusyError, TookTooLongError

log = logging.getLogger(__name__)
T = TypeVar("T")


class Admission:
    """
    Turns of requests at the threads that decide.

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
        if self.inside >= self._most:
            raise BusyError("Too many requests are under way", fix="Send it again a little later")
        self.inside += 1
        try:
            with anyio.move_on_after(self._seconds) as time:
                yield
        finally:
            self.inside -= 1
        if time.cancelled_caught:
            raise TookTooLongError(
                f"The answer took longer than {self._seconds:g} seconds",
                fix="Send it again later, send less data, or raise CDS_REQUEST_TIMEOUT on the server",
            )

    async def run_in_worker(self, work: Callable[[], T]) -> T:
        """What `work` gives, made in one of the threads."""
        running = self._threads.submit(copy_context().run, work)  # its log lines bear the request's id
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if not running.cancel():
                self._count(1)
                log.error("a decision goes on after its time; overdue: %d", self.overdue)
                running.add_done_callback(self._ended)
            raise

    def _ended(self, _: Future[Any]) -> None:
        self._count(-1)
        log.info("an overdue decision has ended; overdue: %d", self.overdue)

    def _count(self, change: int) -> None:
        with self._counting:
            self.overdue += change

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
