"""`cds journal …`"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.journal import decision_records, feedback
from cds.journal.store import Store
from tests.journal.said import NOON, overridden, receipt, shown

RUN = CliRunner()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal.sqlite3"
    monkeypatch.setenv("CDS_JOURNAL", str(path))
    return path


def test_migrate_makes_the_journal_and_can_be_run_again(journal: Path) -> None:
    assert [RUN.invoke(app, ["journal", "migrate"]).exit_code for _ in range(2)] == [0, 0]
    assert journal.exists()


@pytest.mark.seconds
def test_prune_says_what_it_would_remove_and_removes_it(journal: Path) -> None:
    store = Store(str(journal))
    decision_records.write(store, [receipt(shown(), decided_at=NOON.replace(year=2001))])
    store.close()

    would = RUN.invoke(app, ["journal", "prune", "--dry-run"]).stdout
    removed = RUN.invoke(app, ["journal", "prune"]).stdout
    again = RUN.invoke(app, ["journal", "prune"]).stdout

    assert would.startswith("would remove")
    assert "1 receipts" in would
    assert "1 receipts" in removed
    assert "0 receipts" in again


@pytest.mark.seconds
def test_stats_count_without_a_comment(journal: Path) -> None:
    card = shown()
    store = Store(str(journal))
    decision_records.write(store, [receipt(card), receipt(shown())])
    feedback.keep(store, "", "evaluation", [overridden(card, comment="Quackenbush")], NOON)
    store.close()

    table = RUN.invoke(app, ["journal", "stats"]).stdout
    found = json.loads(RUN.invoke(app, ["journal", "stats", "--json"]).stdout)
    later = json.loads(RUN.invoke(app, ["journal", "stats", "--json", "--since", "2026-06-03"]).stdout)

    assert "patient-refuses" in table
    assert "Quackenbush" not in table
    assert found["tallies"] == [
        {
            "rule": "evaluation",
            "version": "1.2.0",
            "card": "suggest",
            "shown": 2,
            "accepted": 0,
            "overridden": 1,
            "reasons": {"urn:reasons|patient-refuses": 1},
            "silent": 0,
        }
    ]
    assert later["decisions"] == 0


def test_feedback_is_written_as_csv_with_what_was_typed(journal: Path) -> None:
    card = shown()
    store = Store(str(journal))
    decision_records.write(store, [receipt(card)])
    feedback.keep(store, "", "evaluation", [overridden(card, comment="Quackenbush")], NOON)
    store.close()

    everything = RUN.invoke(app, ["journal", "feedback"]).stdout
    later = RUN.invoke(app, ["journal", "feedback", "--since", "2026-06-03"]).stdout

    assert everything.startswith("intervention,action taken,user feedback,user,date,location")
    assert "Quackenbush" in everything
    assert "Quackenbush" not in later


@pytest.mark.seconds
@pytest.mark.parametrize("place", ["none", "mysql://db/journal"])
def test_a_place_that_is_none_is_a_wrong_use(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("CDS_JOURNAL", place)

    for command in ("migrate", "prune", "stats", "feedback"):
        assert RUN.invoke(app, ["journal", command]).exit_code == 2


def test_a_day_that_is_none_is_a_wrong_use(journal: Path) -> None:
    assert RUN.invoke(app, ["journal", "stats", "--since", "yesterday"]).exit_code == 2


def test_a_journal_that_cannot_be_opened_is_a_problem_and_said(journal: Path) -> None:
    journal.mkdir()
    done = RUN.invoke(app, ["journal", "migrate"])

    assert done.exit_code == 1
    assert "cannot be used" in done.stderr
