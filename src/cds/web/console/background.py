"""What the console has read of each folder of rules, and what its cases show; worked out once for each rule set."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cds.authoring.reference.export import RuleReference
from cds.authoring.testing.measure import CoverageMeasurement
from cds.errors import NoPageError
from cds.locale.sentence import say

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class MeasurementJob:
    """One measurement of coverage: since when, and what came of it once it is done; `failed` when nothing did."""

    since: datetime
    result: CoverageMeasurement | None = None
    failed: bool = False


class BackgroundReader:
    """
    Reads and measures in processes of their own, so that answers stay quick; the last rule set of a folder is kept.

    What is asked for twice at the same moment is worked out once.
    """

    def __init__(self) -> None:
        self._read: dict[Path, tuple[str, asyncio.Task[RuleReference]]] = {}
        self._measured: dict[Path, tuple[str, MeasurementJob]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def sheets(self, folder: Path, version: str) -> RuleReference:
        """
        The sheets of a folder; read anew once other rules are live.

        Raises:
            NoPageError: They cannot be read.
        """
        held = self._read.get(folder)
        if held is None or held[0] != version or (held[1].done() and _failed(held[1])):
            held = self._read[folder] = (
                version,
                self._start(_told("cds.authoring.reference.export", folder, RuleReference)),
            )
        try:
            return await asyncio.shield(held[1])
        except (OSError, msgspec.DecodeError) as error:
            log.error("the rules could not be read for the console: %s", type(error).__name__)
            raise NoPageError(say("The rule files cannot be read now"), fix=say("Try again a little later")) from None

    def measuring(self, folder: Path, version: str) -> MeasurementJob | None:
        """The measurement of these rules; None when nobody has asked for it."""
        held = self._measured.get(folder)
        return held[1] if held is not None and held[0] == version else None

    def measure(self, folder: Path, version: str) -> None:
        """Begin to measure, unless that is done or under way."""
        held = self.measuring(folder, version)
        if held is None or held.failed:
            begun = MeasurementJob(datetime.now(UTC))
            self._measured[folder] = (version, begun)
            self._start(_measure(begun, folder))

    @asynccontextmanager
    async def open(self, _: object) -> AsyncIterator[None]:
        """Until it is left; what is under way then is ended."""
        yield
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _measure(begun: MeasurementJob, folder: Path) -> None:
    try:
        begun.result = await _told("cds.authoring.testing.measure", folder, CoverageMeasurement)
    except (OSError, msgspec.DecodeError) as error:
        begun.failed = True
        log.error("the tests could not be run for the console: %s", type(error).__name__)


async def _told(module: str, folder: Path, kind: type[T]) -> T:
    """
    What a module says of a folder, run in a process of its own.

    Raises:
        OSError, msgspec.DecodeError: It says nothing.
    """
    command = (sys.executable, "-m", module, str(folder))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:  # the server stops
            process.kill()
            await process.wait()
    return msgspec.json.decode(said, type=kind)
