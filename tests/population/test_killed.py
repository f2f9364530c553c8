"""A run that is killed at any moment goes on, when it is given again, to the bytes of one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Ruleset
from cds.population import row_files
from cds.population import run as running
from cds.population import shuffle as shuffling
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, rows_in, run_population
from cds.settings import Settings
from tests.population.runs import TODAY, WHOLE, write_population

PATIENTS, JOBS = 150, 2
ROUNDS = int(os.environ.get("POPULATION_KILLS", "4"))  # 20 are asked for; CI takes fewer
SEED = 18


def _files(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def _start(rules: Ruleset, export: Path, out: Path) -> int:
    """The same run in a process of its own, which leads a group with its workers."""
    if pid := os.fork():
        return pid
    try:
        os.setsid()
        options = RunOptions(TODAY, TODAY, WHOLE, jobs=JOBS)
        run_population(DecisionRows(rules, Settings()), export, out, options, RunProgress())
        os._exit(0)
    except BaseException:  # noqa: BLE001 (a copy of the test must end here, whatever happens)
        os._exit(1)


def _done(out: Path) -> dict[str, set[str]]:
    """What was there whole: sorted batches by number, and buckets with rows."""
    counted = {file.stem for file in out.glob("tallies/bucket-*.json")}
    return {
        "batches": {folder.name for folder in out.glob("spill/part-[0-9]*")},
        "buckets": {file.stem for file in out.glob("rows/bucket-*") if file.stem in counted},
    }


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads
def test_a_run_killed_at_random_moments_comes_to_the_same_bytes(
    asking: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffling, "BATCH", 30_000)  # many batches of a small export
    export = write_population(tmp_path / "export", PATIENTS, seed=SEED, size=12, files=4)
    begun = time.monotonic()
    pid = _start(asking, export, tmp_path / "whole")
    assert os.waitpid(pid, 0)[1] == 0
    took = time.monotonic() - begun
    expected = _files(tmp_path / "whole")
    assert len(list(rows_in(tmp_path / "whole"))) == PATIENTS
    sorting, writing = shuffling._sort_batch, row_files.writing_rows
    again: dict[str, list[str]] = {"batches": [], "buckets": []}

    def sorted_again(*given: Any) -> Path:
        part = given[2] / f"part-{given[3][0]:04}"
        again["batches"] += [] if part.is_dir() else [part.name]
        return sorting(*given)

    def written_again(file: Path, *given: Any) -> Any:
        again["buckets"].append(file.stem)
        return writing(file, *given)

    monkeypatch.setattr(shuffling, "_sort_batch", sorted_again)
    monkeypatch.setattr(running, "writing_rows", written_again)
    drawn = random.Random(SEED)  # noqa: S311
    while_sorting = while_deciding = 0
    for number in range(ROUNDS):
        out = tmp_path / f"killed-{number}"
        pid = _start(asking, export, out)
        time.sleep(drawn.uniform(0, took * 0.95))
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)  # it had not yet a group of its own
        os.waitpid(pid, 0)
        done = _done(out)
        while_sorting += len(done["batches"]) > 0 and not done["buckets"]
        while_deciding += bool(done["buckets"])
        again["batches"].clear()
        again["buckets"].clear()

        options = RunOptions(TODAY, TODAY, WHOLE, jobs=1)
        run_population(DecisionRows(asking, Settings()), export, out, options, RunProgress())

        assert _files(out) == expected, f"round {number}"
        for what, names in again.items():
            assert not set(names) & done[what], f"round {number}: {what} were done twice"
            assert len(names) == len(set(names))
    print(f"{ROUNDS} kills: {while_sorting} while sorting, {while_deciding} while deciding")  # noqa: T201
    assert while_deciding
