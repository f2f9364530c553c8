"""The wiring: wrong rules do not start; what was opened is closed."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cds.app import create_app
from cds.engine.evaluator import Evaluator
from cds.rulebook.shipped import default_rules_folder
from cds.settings import Settings
from cds.yaml_source.problem import RulesError
from tests.server import ROOT, TODAY, serving

LATE = date(2030, 1, 1)
BUNDLE = (ROOT / "fhir_examples" / "bundle.json").read_bytes()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Evaluator]:
    """The reasoners that were closed."""
    noted: list[Evaluator] = []
    close = Evaluator.close

    def noting(self: Evaluator) -> None:
        noted.append(self)
        close(self)

    monkeypatch.setattr(Evaluator, "close", noting)
    return noted


@pytest.mark.seconds
def test_wrong_rules_are_all_named_and_nothing_starts(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(default_rules_folder(), folder, ignore=shutil.ignore_patterns("*.test.yaml"))
    for path in ("ketamine/evaluation.yaml", "depression/treatment-resistant-depression.yaml"):
        text = (folder / path).read_text(encoding="utf-8")
        (folder / path).write_text(f"{text}\nnonsense: 1\n", encoding="utf-8")

    with pytest.raises(RulesError) as wrong:
        create_app(Settings(rules=folder))

    assert len({problem.file for problem in wrong.value.problems}) == 2


@pytest.mark.seconds
@pytest.mark.parametrize(("grace", "starts"), [(None, True), (30, False), (3650, True)])
def test_an_overdue_review_is_told_and_stops_the_service_only_where_a_site_says_so(
    grace: int | None, starts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if not starts:
        with pytest.raises(RulesError) as wrong:
            create_app(Settings(review_grace_days=grace), clock=lambda: LATE)
        assert {problem.check for problem in wrong.value.problems} == {"review-overdue"}
        return

    with serving(today=LATE, review_grace_days=grace) as client:
        health = client.get("/health").json()
        cards = client.post("/evaluate", params={"today": str(TODAY)}, content=BUNDLE).json()["cards"]
        late = client.post("/evaluate", params={"today": str(LATE)}, content=BUNDLE).json()["cards"]

    assert health["status"] == "ok"
    assert {"suicidality", "evaluation"} <= health["overdue_reviews"].keys()
    assert any("clinical review overdue: " in message for message in caplog.messages)
    assert not any("review overdue" in card["detail"] for card in cards)
    assert late
    assert all("review overdue since" in card["detail"] for card in late)


@pytest.fixture
def threshold() -> Iterator[tuple[int, int, int]]:
    """The garbage collector's own threshold, whatever other servers in this process have set."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


@pytest.mark.seconds
def test_the_engine_is_closed_and_the_garbage_collector_set_back(
    closed: list[Evaluator], threshold: tuple[int, int, int]
) -> None:
    app = create_app(Settings())

    async def live() -> tuple[int, int, int]:
        async with app.router.lifespan_context(app):
            return gc.get_threshold()

    during = asyncio.run(live())

    assert len(closed) == 1
    assert during != threshold
    assert gc.get_threshold() == threshold
