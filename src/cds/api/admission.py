"""How much goes on at once: threads that decide, lanes by size, a queue that ends, fair turns, and an end to waits."""

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
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from cds.api.callers import current_caller
from cds.api.fair_queue import FairQueue
from cds.api.stoppable import StoppableWork, WorkStopped
from cds.errors import BusyError, TookTooLongError

ACTIVE_SECONDS = 60.0  # a caller that asked so lately keeps its share
MAX_CALLERS = 10_000  # remembered as active
LARGE_BYTES = 1_000_000  # a body from which a decision takes some 10 ms and more
SLOW_SECONDS = 0.1  # of CPU: a caller whose decisions took so much waits with the large ones
FADES = 0.8  # what a decision took counts so much less with each later one of its caller
PATIENCE_SECONDS = 0.25  # a decision that takes longer no longer keeps others of its lane waiting

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class DecisionLane:
    """Quick or slow decisions: those that wait, and whether one is under way that has not taken long yet."""

    waiting: FairQueue[DecisionTurn] = field(default_factory=FairQueue)
    taken_by: DecisionTurn | None = None


@dataclass(eq=False, slots=True)
class DecisionTurn:
    """One decision from when it asks for a thread to its end."""

    caller: str
    lane: DecisionLane
    work: StoppableWork[Any]
    ready: asyncio.Future[None] | None = None
    patience: asyncio.TimerHandle | None = None


class Admission:
    """
    Which requests are let in, and when each gets one of the threads that decide.

    Decisions wait in two lanes, quick and slow ones, and one of each is under way at a time: more at once end no
    sooner, since one runs in the interpreter at a time, and all of them late. Slow are those on large requests, and
    those of a caller whose decisions lately took much CPU; a quick one never waits for them. A decision that takes
    longer than it should lets the next of its lane begin in another thread.
    Callers take turns; while several ask, none has more than half of the threads and of the slots.
    A decision that takes more CPU than it may, or longer than its caller waits, is stopped. What waits inside C cannot
    be: its caller is answered, and the thread stays taken until it ends. Such decisions are counted as overdue.

    Attributes:
        inside: Requests that were let in and not answered yet.
        overdue: Decisions still under way whose callers were answered already.
    """

    def __init__(
        self, max_concurrency: int, queue_size: int, request_timeout: float, max_cpu_seconds: float = 10.0
    ) -> None:
        self.inside = 0
        self.overdue = 0
        self._max_concurrency = max_concurrency
        self._slots = max_concurrency + queue_size
        self._request_timeout = request_timeout
        self._max_cpu_seconds = max_cpu_seconds
        self._threads = ThreadPoolExecutor(max_concurrency, thread_name_prefix="decide")
        self._counting = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._quick, self._slow = DecisionLane(), DecisionLane()
        self._lanes = [self._quick, self._slow]  # the one that was served last comes last
        self._asked_at: dict[str, float] = {}
        self._took: dict[str, float] = {}  # seconds of CPU of the longest decision of a caller of late

    @property
    def stuck(self) -> bool:
        """Whether every thread is taken by a decision that nobody waits for any longer."""
        return self.overdue >= self._max_concurrency

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """
        A slot for one request, from before its body is read until it is answered.

        Raises:
            BusyError: All slots are taken.
            TookTooLongError: The block was left before its end, because its time is over.
        """
        caller = current_caller()
        if self.inside >= self._slots or self._inside[caller] >= self._share(caller, self._slots):
            raise BusyError("Too many requests are under way", fix="Send it again a little later")
        self.inside += 1
        self._inside[caller] += 1
        try:
            with anyio.move_on_after(self._request_timeout) as deadline:
                yield
        finally:
            self.inside -= 1
            self._inside[caller] -= 1
            self._inside += Counter()  # forgets those that have none
        if deadline.cancelled_caught:
            raise TookTooLongError(
                f"The answer took longer than {self._request_timeout:g} seconds",
                fix="Send it again later, send less data, or raise CDS_REQUEST_TIMEOUT on the server",
            )

    async def run_in_worker(self, work: Callable[[], T], size: int = 0) -> T:
        """
        What `work` on a request of so many bytes gives, made in one of the threads when it is its turn.

        Raises:
            TookTooLongError: It took more CPU than it may, and was stopped.
        """
        stoppable, caller = StoppableWork(work), current_caller()
        slow = size >= LARGE_BYTES or self._took.get(caller, 0.0) >= SLOW_SECONDS
        turn = DecisionTurn(caller, self._slow if slow else self._quick, stoppable)
        await self._wait(turn)
        loop = asyncio.get_running_loop()
        running = self._threads.submit(copy_context().run, stoppable)  # its log lines bear the request's id

        def ended(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._free, turn)

        running.add_done_callback(ended)
        try:
            return await asyncio.wrap_future(running)
        except WorkStopped:
            raise TookTooLongError(
                f"The decision took more than {self._max_cpu_seconds:g} seconds of CPU",
                fix="Send less data, or raise CDS_MAX_CPU_SECONDS on the server",
            ) from None
        except asyncio.CancelledError:
            if not running.cancel():
                stoppable.stop()
                self._count(1)
                log.error("a decision goes on after its time; overdue: %d", self.overdue)
                running.add_done_callback(self._ended)
            raise

    async def _wait(self, turn: DecisionTurn) -> None:
        """Wait for one of the threads."""
        waiting = turn.lane.waiting
        if not waiting.holds(turn.caller) and self._may_run(turn):
            self._begin(turn)
            return
        turn.ready = asyncio.get_running_loop().create_future()
        waiting.push(turn.caller, turn)
        try:
            await turn.ready
        except asyncio.CancelledError:
            if turn.ready.done() and not turn.ready.cancelled():
                self._free(turn)  # it came, and is not needed any more
            else:
                waiting.remove(turn.caller, turn)
            raise

    def _begin(self, turn: DecisionTurn) -> None:
        self._running[turn.caller] += 1
        turn.lane.taken_by = turn
        turn.patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._leave_lane, turn)

    def _leave_lane(self, turn: DecisionTurn) -> None:
        turn.patience = None  # it holds the turn: a circle that only the garbage collector would open
        if turn.work.cpu_seconds > self._max_cpu_seconds and turn.work.stop():
            log.error("a decision was stopped: it took more than %g seconds of CPU", self._max_cpu_seconds)
        else:
            turn.patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._leave_lane, turn)
        if turn.lane.taken_by is turn:
            turn.lane.taken_by = None
            self._serve()

    def _free(self, turn: DecisionTurn) -> None:
        if turn.patience is not None:
            turn.patience.cancel()
        if turn.lane.taken_by is turn:
            turn.lane.taken_by = None
        self._running[turn.caller] -= 1
        self._running += Counter()
        if turn.caller in self._asked_at:
            self._took[turn.caller] = max(turn.work.cpu_seconds, FADES * self._took.get(turn.caller, 0.0))
        self._serve()

    def _serve(self) -> None:
        """Let those begin that may."""
        while (turn := self._next()) is not None:
            if turn.ready is not None and not turn.ready.done():
                self._begin(turn)
                turn.ready.set_result(None)

    def _next(self) -> DecisionTurn | None:
        for lane in self._lanes:
            found = lane.waiting.pop(lambda _, turn: self._may_run(turn))
            if found is not None:
                self._lanes.remove(lane)
                self._lanes.append(lane)
                return found[1]
        return None

    def _may_run(self, turn: DecisionTurn) -> bool:
        free = turn.lane.taken_by is None and self._running.total() < self._max_concurrency
        return free and self._running[turn.caller] < self._share(turn.caller, self._max_concurrency)

    def _share(self, caller: str, of: int) -> int:
        """How many of the threads or slots a caller may have: all, or half of them while others ask."""
        now = time.monotonic()
        self._asked_at.pop(caller, None)
        self._asked_at[caller] = now  # at the end: they are in the order of their last call
        while len(self._asked_at) > 1:
            oldest = next(iter(self._asked_at))
            if now - self._asked_at[oldest] < ACTIVE_SECONDS and len(self._asked_at) <= MAX_CALLERS:
                break
            del self._asked_at[oldest]
            self._took.pop(oldest, None)
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
