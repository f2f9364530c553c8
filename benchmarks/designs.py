"""
Ways to admit decisions, compared with the service's own (`cds.api.admission`) by `benchmarks.tail --designs`.

The service runs with none of these. `BENCH_DESIGN` names one for `benchmarks.servers.ours`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from cds.api.admission import Admission, DecisionTurn

T = TypeVar("T")
LOOP_BYTES = 200_000  # some 170 resources; an entry has 33 bytes at the least, so that 6,000 are the most
SWITCH_SECONDS = 0.001  # in place of the interpreter's 5 ms


class SeveralAtOnce(Admission):
    """As many decisions at once as there are threads, in the order they came in: the service before its lanes."""

    def _begin(self, turn: DecisionTurn) -> None:
        super()._begin(turn)
        turn.lane.taken_by = None


class OneAtATime(Admission):
    """One decision at a time, small or large."""

    def _may_run(self, turn: DecisionTurn) -> bool:
        return all(lane.taken_by is None for lane in self._lanes) and super()._may_run(turn)


class SmallOnTheLoop(Admission):
    """Small requests are decided on the event loop, where nothing can end them; large ones in one thread."""

    async def run_in_worker(self, work: Callable[[], T], size: int = 0) -> T:
        if size > LOOP_BYTES:
            return await super().run_in_worker(work, size)
        await asyncio.sleep(0)  # what came in meanwhile is read
        return work()


class QuickSwitch(Admission):
    """The service's own, with threads that hand over to each other sooner."""

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        super().__init__(at_once, waiting, seconds)
        sys.setswitchinterval(SWITCH_SECONDS)


DESIGNS: dict[str, type[Admission]] = {
    "several at once": SeveralAtOnce,
    "one at a time": OneAtATime,
    "small on the loop": SmallOnTheLoop,
    "lanes, switch 1 ms": QuickSwitch,
}
