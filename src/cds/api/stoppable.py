"""Work in a thread that can be stopped while it computes in Python: CPython raises an exception in it."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")
# A library that keeps state of its own between calls is never left in the middle of one.
NEVER_LEFT = frozenset({"durable.py"})


class WorkStopped(BaseException):
    """Raised in the work that is stopped; no handler of errors inside it takes it for one of its own."""


class StoppableWork(Generic[T]):
    """
    A piece of work, called once, in any thread.

    What waits inside C (a lock, a regular expression, another library) goes on until it is back in Python.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._thread = 0
        self._cpu_before = 0.0
        self._cpu_used = 0.0
        self._stopped = False

    def __call__(self) -> T:
        """
        What the work gives.

        Raises:
            WorkStopped: It was stopped.
        """
        with self._lock:
            self._thread = threading.get_ident()
            self._cpu_before = _cpu_of(self._thread)
        try:
            result = self._work()
        except WorkStopped:
            self._end()
            raise
        except BaseException:
            self._leave()
            raise
        self._leave()
        return result

    def _leave(self) -> None:
        """
        From here on nothing is raised in the thread for this work.

        What is on its way already is waited for: to take it back would leave CPython 3.11 looking for it at each step.
        """
        try:
            with self._lock:
                self._end()
            while self._stopped:
                time.sleep(0)
        except WorkStopped:
            self._end()

    def _end(self) -> None:
        if self._thread:
            self._cpu_used = _cpu_of(self._thread) - self._cpu_before
        self._thread = 0

    @property
    def cpu_seconds(self) -> float:
        """Seconds of CPU it has used so far, or in all once it has ended; 0 before it has begun."""
        with self._lock:
            return _cpu_of(self._thread) - self._cpu_before if self._thread else self._cpu_used

    def stop(self) -> bool:
        """Stop it, if it is under way and may be left now; whether that was done. At most once."""
        with self._lock:
            if not self._thread or self._stopped or _may_not_be_left(self._thread):
                return False
            self._stopped = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(WorkStopped))
            return True


def _cpu_of(thread: int) -> float:
    if hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    return time.monotonic()  # macOS has no clock of another thread


def _may_not_be_left(thread: int) -> bool:
    frame: FrameType | None = sys._current_frames().get(thread)
    while frame is not None:
        if Path(frame.f_code.co_filename).name in NEVER_LEFT:
            return True
        frame = frame.f_back
    return False
