"""A worker decides by the rules that its master made ready, and reads them anew only where it should."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds.api.copied_workers import FORK
from cds.decide import Ruleset
from cds.journal.journal import Journal
from cds.ready_rules import MadeBefore, rules_by_folder
from cds.settings import Settings
from cds.yaml_source.problem import RulesError
from tests.api.test_process import process
from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules
from tests.test_reload import until

LATER = changed(GOOD[RULE], "next: 2026-01-01", "next: 2999-01-01")
REVIEWED_LATE = date(2026, 3, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", GOOD)


@pytest.fixture
def _master(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process makes rules ready for workers."""
    monkeypatch.setattr(MadeBefore, "by_folder", {})
    yield
    for ready in (MadeBefore.by_folder or {}).values():
        ready.rules.reasoner.close()


def rules_in(folder: Path, *, today: date = TODAY, journal: Journal | None = None, **settings: Any) -> Ruleset:
    return rules_by_folder([folder], Settings(rules=folder, engine="direct", **settings), today, journal)[folder]


def change(folder: Path) -> None:
    text = (folder / RULE).read_text()
    (folder / RULE).write_text(changed(text, "high_score: {value: 10", "high_score: {value: 11"))


def break_file(folder: Path) -> None:
    (folder / RULE).write_text((folder / RULE).read_text() + "\nnonsense: 1\n")


@pytest.mark.usefixtures("_master")
@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("happens", [lambda _: None, change, break_file])
def test_a_worker_takes_the_rules_of_its_master_whatever_happened_since(
    happens: Callable[[Path], None], watch: bool, folder: Path
) -> None:
    first = rules_in(folder, watch=watch)
    happens(folder)

    assert rules_in(folder, watch=watch, today=REVIEWED_LATE) is first


def test_a_process_without_workers_keeps_nothing(folder: Path) -> None:
    assert rules_in(folder) is not rules_in(folder)
    assert MadeBefore.by_folder is None


@pytest.mark.usefixtures("_master")
def test_other_settings_are_other_rules(folder: Path) -> None:
    assert rules_in(folder) is not rules_in(folder, review_grace_days=1)


@pytest.mark.usefixtures("_master")
def test_a_master_does_not_start_with_wrong_rules(folder: Path) -> None:
    break_file(folder)

    with pytest.raises(RulesError) as refused:
        rules_in(folder)
    assert "nonsense" in str(refused.value.problems[0])


class HoldsRules:
    """Of a journal, what the loading of rules asks for."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.holds_rules = self.held.__setitem__


@pytest.mark.usefixtures("_master")
def test_the_journal_of_each_worker_holds_the_files_as_the_master_read_them(folder: Path) -> None:
    first, second = HoldsRules(), HoldsRules()
    rules = rules_in(folder, journal=first)  # type: ignore[arg-type]
    change(folder)
    rules_in(folder, journal=second)  # type: ignore[arg-type]

    assert first.held.keys() == {rules.program.version}
    assert second.held == first.held


def workers_of(master: int) -> list[str]:
    return subprocess.run(["pgrep", "-P", str(master)], capture_output=True, text=True, check=False).stdout.split()


def command_of(process_id: int | str) -> bytes:
    return Path(f"/proc/{process_id}/cmdline").read_bytes()


def health(client: httpx.Client) -> dict[str, Any]:
    """What it says; nothing while nobody answers."""
    try:
        return dict(client.get("/health").json())
    except httpx.TransportError:
        return {}


@pytest.mark.processes
@pytest.mark.skipif(FORK is None, reason="processes are copied on Linux only")
def test_a_worker_that_was_killed_is_there_again_as_a_copy_and_decides_alike(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", {**GOOD, RULE: LATER})
    settings = {"CDS_RULES": str(rules), "CDS_WORKERS": "2", "CDS_ENGINE": "direct", "CDS_JOURNAL": "none"}
    with process(tmp_path / "log", **settings) as (client, running):
        until(lambda: len(workers_of(running.pid)) == 2 and health(client))
        killed, version = workers_of(running.pid), health(client)["rules"]
        change(rules)
        for worker in killed:
            os.kill(int(worker), signal.SIGKILL)
        until(lambda: len(set(workers_of(running.pid)) - set(killed)) == 2 and health(client))

        assert health(client)["rules"] == version
        assert {command_of(worker) for worker in workers_of(running.pid)} == {command_of(running.pid)}
