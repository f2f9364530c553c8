"""What the workers of one service know of each other: who answers, who hangs, and where engines have disagreed."""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STATES = "THIRDLINE_WORKER_STATES"  # environment: the file that workers share; without it a worker is alone
MASTER = "THIRDLINE_MASTER"  # environment: the process whose worker this is
SLOTS = 64  # as many as there may be workers
SLOT = struct.Struct("=qdqqq")  # process, heartbeat, disagreements, requests under way, decisions overdue
GONE = struct.Struct("=q")  # behind the slots: disagreements of workers that have ended
SIZE = SLOTS * SLOT.size + GONE.size
BEAT_SECONDS = 0.5
SILENT_SECONDS = 5.0  # without a heartbeat a worker hangs


@dataclass(frozen=True, slots=True)
class WorkersHealth:
    """
    All workers together.

    Attributes:
        running: How many there are.
        silent: How many of them hang.
        disagreements: That workers met and others may not find in the journal yet, of those that ended, too.
        under_way, overdue: Requests let in and not answered, decisions that go on after their caller was answered.
    """

    running: int
    silent: int
    disagreements: int
    under_way: int
    overdue: int


class WorkerStates:
    """
    One slot for each worker in memory that all share.

    A worker writes its own slot alone, so that nobody waits; the lock is for taking a slot at start.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Take a slot in the file, or in memory of this process alone."""
        self._disagreements = self._under_way = self._overdue = 0
        self._path = path
        if path is None:
            self._memory = mmap.mmap(-1, SIZE)
            self._slot = 0
        else:
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._memory = mmap.mmap(file.fileno(), SIZE)
                self._slot = self._free_slot()
                self._write()
                fcntl.flock(file, fcntl.LOCK_UN)  # the memory keeps the file open, and with it the lock
        self._write()

    def beat(self, under_way: int, overdue: int, disagreements: int) -> None:
        """Say that this worker answers, what it has to do, and how many disagreements it met; all see it at once."""
        self._under_way, self._overdue, self._disagreements = under_way, overdue, disagreements
        self._write()

    def take_over(self) -> int:
        """Take the disagreements that workers met which have ended since; whoever takes them must tell them."""
        if self._path is None or not (self._left() or self._gone()):
            return 0
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            taken = self._gone()
            GONE.pack_into(self._memory, SLOTS * SLOT.size, 0)
            for number, disagreements in self._left():
                taken += disagreements
                process, at, _, *more = SLOT.unpack_from(self._memory, number * SLOT.size)
                SLOT.pack_into(self._memory, number * SLOT.size, process, at, 0, *more)
        return taken

    def _left(self) -> list[tuple[int, int]]:
        """Slot and disagreements of workers that have ended."""
        slots = ((number, SLOT.unpack_from(self._memory, number * SLOT.size)) for number in range(SLOTS))
        return [(number, slot[2]) for number, slot in slots if slot[2] and not _runs(slot[0])]

    def _gone(self) -> int:
        (count,) = GONE.unpack_from(self._memory, SLOTS * SLOT.size)
        return int(count)

    @property
    def health(self) -> WorkersHealth:
        """All workers together; those that have ended count for their disagreements only."""
        now = time.monotonic()  # the same for all processes of a machine
        listed = [SLOT.unpack_from(self._memory, number * SLOT.size) for number in range(SLOTS)]
        running = [one for one in listed if one[0] and _runs(one[0])]
        return WorkersHealth(
            running=len(running),
            silent=sum(now - one[1] > SILENT_SECONDS for one in running),
            disagreements=sum(one[2] for one in listed) + self._gone(),
            under_way=sum(one[3] for one in running),
            overdue=sum(one[4] for one in running),
        )

    def _free_slot(self) -> int:
        for number in range(SLOTS):
            process, _, disagreements, *_ = SLOT.unpack_from(self._memory, number * SLOT.size)
            if not process or not _runs(process):
                GONE.pack_into(self._memory, SLOTS * SLOT.size, self._gone() + disagreements)
                return number
        raise RuntimeError(f"more than {SLOTS} workers share one file")

    def _write(self) -> None:
        SLOT.pack_into(
            self._memory, self._slot * SLOT.size,
            os.getpid(), time.monotonic(), self._disagreements, self._under_way, self._overdue,
        )  # fmt: skip


def states_from_environment() -> WorkerStates:
    """The states that the environment names; of this worker alone where it names none."""
    named = os.environ.get(STATES)
    return WorkerStates(Path(named)) if named else WorkerStates()


def make_states_file() -> Path:
    """A file for the states of the workers that are about to be started; the caller removes it."""
    descriptor, name = tempfile.mkstemp(prefix="thirdline-workers-")
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(SIZE)
    return Path(name)


async def keep_beating(beat: Callable[[], None]) -> None:
    """Beat again and again, until cancelled."""
    while True:
        beat()
        await asyncio.sleep(BEAT_SECONDS)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_with(parent: int) -> None:
    """
    Let this worker end when the process that started it is gone, however that ended (Linux: prctl(2)).

    Without it workers outlive a master that was killed, keep its port, and a new start fails.
    """
    import ctypes  # noqa: PLC0415 (workers alone need it)
    import signal  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was gone before
        os.kill(os.getpid(), signal.SIGTERM)
