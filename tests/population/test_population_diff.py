"""Two rule sets over a population: counts of what comes out differently, and who only in the rows."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds.authoring.impact.compare import RulesetVersion
from cds.authoring.impact.population import ComparisonRows, impact_report
from cds.cli.main import app
from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.population.run import RunOptions, RunProgress, RunSummary, rows_in, run_population
from cds.rulebook.diff import changes_between
from cds.rulebook.loader import read_rulebook
from cds.ruleset import checked_rules
from cds.settings import Settings
from tests.population.runs import TODAY, WHOLE, bytes_of, run, write_population
from tests.population.test_population import lines_of, write
from tests.server import ROOT

TRD = "treatment_resistant_depression"
TRD_FILE = Path("depression/treatment-resistant-depression.yaml")


def stricter(folder: Path) -> Path:
    """The shipped rules with three failed trials in place of two."""
    shutil.copytree(ROOT / "rules", folder)
    file = folder / TRD_FILE
    file.write_text(re.sub(r"(trials_required: \{value: )2", r"\g<1>3", file.read_text(), count=1))
    return folder


@pytest.fixture(scope="module")
def made(asking: Ruleset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComparisonRows]:
    folder = stricter(tmp_path_factory.mktemp("stricter") / "rules")
    books = [read_rulebook(ROOT / "rules"), read_rulebook(folder)]
    new = checked_rules(books[1], EvaluatorMode.DIRECT, TODAY, cohorts=True)
    sides = RulesetVersion(books[0], asking), RulesetVersion(books[1], new)
    yield ComparisonRows(*sides, tuple(changes_between(*books)), Settings())
    new.reasoner.close()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_population(tmp_path_factory.mktemp("diff") / "export", 60, seed=4, size=20)


def compared(made: ComparisonRows, export: Path, out: Path, **options: Any) -> tuple[RunSummary, list[dict[str, Any]]]:
    chosen = RunOptions(TODAY, TODAY, WHOLE, **{"jobs": 1} | options)
    return run_population(made, export, out, chosen, RunProgress()), list(rows_in(out))


@pytest.mark.seconds
def test_both_sides_are_what_each_rule_set_says_alone(made: ComparisonRows, export: Path, tmp_path: Path) -> None:
    _, rows = compared(made, export, tmp_path / "both")
    alone = {
        side: {row["patient"]: row for row in run(version.rules, export, tmp_path / side, exported=WHOLE)[1]}
        for side, version in (("old", made.old), ("new", made.new))
    }

    assert len(rows) == 60
    for row in rows:
        for side, found in alone.items():
            one = found[row["patient"]]
            told = {name.partition("_")[2]: truth for name, truth in row.items() if name.startswith(f"{side}_")}
            assert told == {name: one[name] for name in told}
            assert row["input"] == one["input"]
        cards = [{card[0] for card in found[row["patient"]]["cards"]} for found in alone.values()]
        assert set(row["cards_gained"]) == cards[1] - cards[0]
        assert set(row["cards_lost"]) == cards[0] - cards[1]
    lost = [row for row in rows if row[f"old_is_{TRD}"] == "true" and row[f"new_is_{TRD}"] == "false"]
    assert lost
    assert all(any("trials_required" in change for change in row["because"]) for row in lost)
    assert all(not row["because"] for row in rows if not row["turns"])


@pytest.mark.seconds
def test_the_page_counts_as_the_rows_do_and_names_nobody(made: ComparisonRows, export: Path, tmp_path: Path) -> None:
    summary, rows = compared(made, export, tmp_path / "both")

    page = impact_report(made, ("then", "now"), summary, iter(rows), smallest=1)

    truths = Counter((row[f"old_is_{TRD}"], row[f"new_is_{TRD}"]) for row in rows)
    order = ("true", "false", "unknown")
    table = page[
        page.index("before ↓ after →", page.index(f"**{made.new.rules.program.labels[TRD]}**")) :
    ].splitlines()[2:5]
    assert table == [f"| {a} | {' | '.join(str(truths[a, b]) for b in order)} |" for a in order]
    gained, lost, kept = (
        sum("suggest_evaluation" in row[f"cards_{kind}"] for row in rows) for kind in ("gained", "lost", "kept")
    )
    assert f"| `suggest_evaluation` | {gained} | {lost} | {kept} |" in page
    (change,) = made.changes
    assert f"| {change.says} | {sum(bool(row['because']) for row in rows)} |" in page.replace("\\|", "|")
    differs = sum(any(one[0] != "fact" for one in row["turns"]) for row in rows)
    assert f"Another card or conclusion: {differs}; the same: {60 - differs}." in page
    assert not re.search(r"\bp\d+\b", page)


def test_small_counts_are_suppressed(made: ComparisonRows, tmp_path: Path) -> None:
    summary, rows = compared(made, write(tmp_path / "export", lines_of(5)), tmp_path / "out")

    page = impact_report(made, ("then", "now"), summary, iter(rows), smallest=11)

    assert "suppressed patients" in page
    assert not re.search(r"\| [1-9]\d* \|", page)


@pytest.mark.seconds
def test_a_comparison_goes_on_where_it_was_ended(made: ComparisonRows, export: Path, tmp_path: Path) -> None:
    whole, _ = compared(made, export, tmp_path / "whole")
    compared(made, export, tmp_path / "parts", form="parquet")
    shutil.copytree(tmp_path / "whole", tmp_path / "ended")
    (tmp_path / "ended" / "summary.json").unlink()
    files = sorted((tmp_path / "ended" / "rows").iterdir())
    files[0].unlink()

    again, rows = compared(made, export, tmp_path / "ended", jobs=2)

    assert again == whole
    assert bytes_of(tmp_path / "ended") == bytes_of(tmp_path / "whole")
    assert rows == list(rows_in(tmp_path / "parts"))


@pytest.mark.seconds
def test_the_command_takes_folders_and_writes_who_into_rows_alone(export: Path, tmp_path: Path) -> None:
    new = stricter(tmp_path / "new")
    told = CliRunner().invoke(
        app,
        ["population", "diff", str(ROOT / "rules"), str(new), str(export), str(tmp_path / "out"), "--jobs", "1",
         "--today", TODAY.isoformat(), "--exported", ",".join(WHOLE), "--smallest", "1"],
    )  # fmt: skip

    assert told.exit_code == 0, told.output
    assert "before ↓ after →" in told.stdout
    assert "trials_required" in told.stdout
    assert not re.search(r"\bp\d+\b", told.output)
    assert len(list(rows_in(tmp_path / "out"))) == 60
    gone = CliRunner().invoke(app, ["population", "diff", "no-such", str(new), str(export), str(tmp_path / "x")])
    assert gone.exit_code == 2
