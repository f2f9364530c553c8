"""A running server takes new rules once they check and their tests pass; until then the last good ones go on."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from watchfiles import awatch

from cds.api.deployment import TenantRules
from cds.authoring.testing.verdict import FolderVerdict
from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.journal.journal import Journal
from cds.journal.rule_archives import read_to_hold
from cds.rulebook.loader import read_rulebook
from cds.ruleset import checked_rules
from cds.yaml_source.problem import RulesError

log = logging.getLogger(__name__)
MOST_SAID = 3  # mistakes named in one line of the log


class RuleReloader:
    """
    Watches folders of rules.

    The rules a request begins with are those it ends with: the rules of a tenant are replaced whole, and old rules live
    as long as somebody still decides by them. Checks and tests run in a process of their own, so that answers stay
    quick.
    """

    def __init__(
        self,
        rules_by_tenant: MutableMapping[str, TenantRules],
        made: MutableMapping[Path, Ruleset],
        folders: MutableMapping[str, Path],
        mode: EvaluatorMode,
        clock: Callable[[], date],
        review_grace_days: int | None = None,
        definitions: tuple[str, ...] = (),
        journal: Journal | None = None,
    ) -> None:
        self._rules_by_tenant = rules_by_tenant
        self._made = made
        self._folders = folders
        self._opinions = mode
        self._clock = clock
        self._review_grace_days = review_grace_days
        self._definitions = definitions
        self._hold = journal.holds_rules if journal is not None else None
        self._taken_at: datetime | None = None
        self._refused: dict[Path, tuple[datetime, str]] = {}

    def health(self) -> dict[str, Any]:
        """Since when the live rules are so (null: since the start), and what was not taken."""
        refused = [{"at": at.isoformat(), "why": why} for at, why in self._refused.values()]
        return {"taken_at": self._taken_at.isoformat() if self._taken_at else None, "not_taken": refused}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            watched = await asyncio.to_thread(self._watched)
            for folder in await asyncio.to_thread(self._changed):
                await self._try(folder)
            async for changes in awatch(*{part for parts in watched.values() for part in parts}):
                touched = {Path(path).resolve() for _, path in changes}
                for folder, parts in watched.items():
                    if any(path.is_relative_to(part.resolve()) for path in touched for part in parts):
                        await self._try(folder)
                if await asyncio.to_thread(self._watched) != watched:  # a site names other rules
                    break

    def _watched(self) -> dict[Path, tuple[Path, ...]]:
        """Each folder of rules → the folders it is read from: a site's own, and that of the rules it is of."""
        return {folder: read_rulebook(folder).folders or (folder,) for folder in self._made}

    def _changed(self) -> list[Path]:
        """Folders that hold other rules than the live ones: a worker begins with those its master read."""
        return [
            folder for folder, live in self._made.items() if read_rulebook(folder).digest[:12] != live.program.version
        ]

    async def _try(self, folder: Path) -> None:
        try:
            verdict = await _examined(folder, self._clock())
            if verdict.against:
                self._refuse(folder, verdict.against)
            else:
                await asyncio.to_thread(self._take, folder, verdict.digest)
        except RulesError as wrong:  # changed again while it was looked at
            self._refuse(folder, [str(problem) for problem in wrong.problems])
        except (OSError, msgspec.DecodeError) as failed:
            self._refuse(folder, [f"they could not be looked at: {type(failed).__name__}"])

    def _take(self, folder: Path, digest: str) -> None:
        """Load what was examined; should the files have changed since, the next look will tell."""
        if self._made[folder].program.version == digest[:12]:
            self._refused.pop(folder, None)
            return
        book, hold = read_to_hold(folder, self._hold)
        if book.digest != digest:
            return
        clock, grace = self._clock(), self._review_grace_days
        new = checked_rules(book, self._opinions, clock, grace, self._definitions)
        hold()
        old, self._made[folder] = self._made[folder], new
        for name, where in self._folders.items():
            if where == folder:
                self._rules_by_tenant[name] = replace(self._rules_by_tenant[name], rules=new)
        old.reasoner.close_when_unused()
        self._refused.pop(folder, None)
        self._taken_at = datetime.now(UTC)
        log.info("rules %s took the place of %s", new.program.version, old.program.version)

    def _refuse(self, folder: Path, against: Iterable[str]) -> None:
        listed = list(against)
        more = f"; and {len(listed) - MOST_SAID} more" if len(listed) > MOST_SAID else ""
        why = "; ".join(listed[:MOST_SAID]) + more
        self._refused[folder] = (datetime.now(UTC), why)
        log.warning("rules of %s are not taken, %s go on: %s", folder, self._made[folder].program.version, why)


async def _examined(folder: Path, today: date) -> FolderVerdict:
    """What `examine` says, from a process of its own: tests take seconds, and answers must not wait for them."""
    command = (sys.executable, "-m", "cds.authoring.testing.verdict", str(folder), today.isoformat())
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:  # the server stops
            process.kill()
            await process.wait()
    return msgspec.json.decode(said, type=FolderVerdict)
