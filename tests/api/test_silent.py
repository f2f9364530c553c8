"""A silent rule file is decided and written down; nobody sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from cds.engine.evaluator import EvaluatorMode
from cds.journal.journal import Journal, journal_from
from cds.journal.store import Store
from cds.journal.tables import cards, receipts, silent_cards
from cds.ruleset import load_rules
from cds.settings import Settings
from tests.server import ROOT, TODAY, serving

EXAMPLE = ROOT / "fhir_examples" / "01-two-failed-trials"


@pytest.mark.seconds
def test_a_silent_file_shows_nothing_and_its_cards_are_in_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", folder, ignore=shutil.ignore_patterns("*.test.yaml"))
    file = folder / "ketamine" / "evaluation.yaml"
    file.write_text(file.read_text().replace("status: active", "status: silent", 1))
    place = str(tmp_path / "journal.sqlite3")
    kept = journal_from(Settings(journal=place))
    assert isinstance(kept, Journal)
    request = json.loads((EXAMPLE / "request.json").read_text())

    with serving(load_rules(folder, EvaluatorMode.DIRECT, TODAY), journal=kept) as client:
        services = client.get("/cds-services").json()["services"]
        service = next(one["id"] for one in services if one["hook"] == request["hook"])
        shown = client.post(f"/cds-services/{service}", json=request).json()["cards"]

    store = Store(place)
    with store.reading() as connection:
        noted = connection.execute(select(silent_cards.c.name, silent_cards.c.rule)).all()
        seen = connection.execute(select(cards.c.name)).scalars().all()
        concluded = connection.execute(select(receipts.c.conclusions)).scalar_one()
    store.close()
    expected = json.loads((EXAMPLE / "cards.json").read_text())["cards"]
    assert len(shown) == len(seen) < len(expected)
    assert ("suggest_evaluation", "evaluation") in [tuple(row) for row in noted]
    assert concluded["treatment_resistant_depression"] == "true"
