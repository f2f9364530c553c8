"""The wiring: wrong rules do not start; what was opened is closed."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds.app import create_app
from cds.engine.evaluator import Reasoner
from cds.rulebook.shipped import default_rules_folder
from cds.settings import Settings
from cds.yaml_source.problem import RulesAreWrong


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Reasoner]:
    """The reasoners that were closed."""
    noted: list[Reasoner] = []
    close = Reasoner.close

    def noting(self: Reasoner) -> None:
        noted.append(self)
        close(self)

    monkeypatch.setattr(Reasoner, "close", noting)
    return noted


def test_wrong_rules_are_all_named_and_nothing_starts(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(default_rules_folder(), folder, ignore=shutil.ignore_patterns("*.test.yaml"))
    for path in ("ketamine/evaluation.yaml", "depression/treatment-resistant-depression.yaml"):
        text = (folder / path).read_text(encoding="utf-8")
        (folder / path).write_text(f"{text}\nnonsense: 1\n", encoding="utf-8")

    with pytest.raises(RulesAreWrong) as wrong:
        create_app(Settings(rules=folder))

    assert len({problem.file for problem in wrong.value.problems}) == 2


@pytest.fixture
def threshold() -> Iterator[tuple[int, int, int]]:
    """The garbage collector's own threshold, whatever other servers in this process have set."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_the_engine_is_closed_and_the_garbage_collector_set_back(
    closed: list[Reasoner], threshold: tuple[int, int, int]
) -> None:
    app = create_app(Settings())

    async def live() -> tuple[int, int, int]:
        async with app.router.lifespan_context(app):
            return gc.get_threshold()

    during = asyncio.run(live())

    assert len(closed) == 1
    assert during != threshold
    assert gc.get_threshold() == threshold
