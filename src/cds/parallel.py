"""Work spread over processes, where a process can be copied as it is (Linux); one after the other elsewhere."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Share = TypeVar("Share")
Result = TypeVar("Result")

_WORK: list[Callable[[Any], Any]] = []  # what a copied process finds to do: a function and all it knows, never pickled


def run_in_processes(
    work: Callable[[Share], Result], shares: Sequence[Share], jobs: int | None = None
) -> Iterator[Result]:
    """
    The result of each share, in order, worked out in up to `jobs` processes (as many as processors without).

    Shares and results must be picklable; `work` and what it knows need not be.
    """
    wanted = min(jobs or os.cpu_count() or 1, len(shares))
    gc.freeze()  # the rules stay as long as the work does: no collector, of the copies neither, need look at them
    try:
        if wanted <= 1 or sys.platform != "linux":
            yield from map(work, shares)
            return
        _WORK.append(work)
        try:
            context = multiprocessing.get_context("fork")
            with ProcessPoolExecutor(wanted, mp_context=context) as pool:
                yield from pool.map(_do, shares)
        finally:
            _WORK.pop()
    finally:
        gc.unfreeze()


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage less often, in copied processes too: of cases and of reading rules, a sixth was looking."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _do(share: Any) -> Any:
    return _WORK[-1](share)


def in_shares(count: int, size: int) -> list[range]:
    """The numbers from 0 to `count`, in ranges of up to `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
