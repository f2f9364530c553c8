"""Work that is stopped ends, and nothing else does."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from cds.api import stoppable
from cds.api.stoppable import StoppableWork, WorkStopped


def endless() -> None:
    while True:
        pass


def until_begun(work: StoppableWork[None]) -> None:
    while not work.cpu_seconds:
        time.sleep(0.001)


def test_what_computes_is_stopped_and_its_thread_goes_on() -> None:
    with ThreadPoolExecutor(1) as pool:
        work = StoppableWork(endless)
        future = pool.submit(work)
        until_begun(work)

        assert work.stop()
        assert isinstance(future.exception(60), WorkStopped)
        assert not work.stop()
        assert pool.submit(StoppableWork(lambda: 1)).result(60) == 1


def test_what_has_not_begun_or_has_ended_is_not_stopped() -> None:
    work = StoppableWork(lambda: 1)

    assert (work.stop(), work.cpu_seconds) == (False, 0)
    assert work() == 1
    assert not work.stop()


def test_what_it_used_is_known_after_its_end() -> None:
    def busy() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    work = StoppableWork(busy)
    work()

    assert work.cpu_seconds >= 0.05


def test_no_handler_of_errors_inside_keeps_it() -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                endless()

    with ThreadPoolExecutor(1) as pool:
        work = StoppableWork(stubborn)
        future = pool.submit(work)
        until_begun(work)
        work.stop()
        assert isinstance(future.exception(60), WorkStopped)


def test_a_library_with_state_of_its_own_is_not_left_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stoppable, "NEVER_LEFT", frozenset({"test_stoppable.py"}))
    go_on = threading.Event()

    def busy() -> int:
        while not go_on.is_set():
            pass
        return 1

    with ThreadPoolExecutor(1) as pool:
        work = StoppableWork(busy)
        future = pool.submit(work)
        while not work.cpu_seconds:
            time.sleep(0.001)
        stopped = work.stop()
        go_on.set()
        assert (stopped, future.result(60)) == (False, 1)


def test_at_whatever_moment_it_is_stopped_no_other_work_of_the_thread_is() -> None:
    random.seed(1)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(500):
            work = StoppableWork(lambda: sum(range(random.randrange(3_000))))  # noqa: S311
            future = pool.submit(work)
            time.sleep(random.random() / 10_000)  # noqa: S311
            stopped = work.stop()
            other = pool.submit(StoppableWork(lambda: sum(range(2_000))))
            assert other.result(60) == 1_999_000
            error = future.exception(60)
            assert error is None or (stopped and isinstance(error, WorkStopped))
