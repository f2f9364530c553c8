"""What a site may set, as `cds site parameters` lists it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.rulebook.loader import read_rulebook
from cds.rulebook.site_parameters import settable_parameters
from tests.rulebook.small_rules import GOOD, RULE, line_of, write_rules

SITE = (
    "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
    "set:\n  trials_required: {to: 3, because: P&T, by: pharmacy, review: 2026-01-01}\n"
)


def folder(tmp_path: Path, text: str = SITE) -> Path:
    write_rules(tmp_path / "rules", GOOD)
    return write_rules(tmp_path / "site", {"site.yaml": text})


def test_each_has_its_range_value_origin_evidence_and_readers(tmp_path: Path) -> None:
    found = {one.name: one for one in settable_parameters(read_rulebook(folder(tmp_path)))}
    assert set(found) == {"trials_required", "standard"}
    trials = found["trials_required"]
    assert (trials.may_be, trials.unit, trials.value, trials.shipped) == ((1, 4), "trials", 3, 2)
    assert (Path(trials.set_in).name, trials.by, trials.review) == ("site.yaml:3", "pharmacy", "2026-01-01")
    assert [(one.id, one.verified) for one in trials.evidence] == [("book", False)]
    assert set(trials.read_by) == {"depression"}
    assert {"resistant", "suggest"} <= set(trials.read_by["depression"])
    assert trials.cards == ("suggest",)
    standard = found["standard"]
    assert (standard.may_be, standard.value, standard.by) == (("ours", "theirs"), "ours", "")
    line = line_of(GOOD[RULE], "standard: {value")
    assert Path(standard.set_in).name == f"{Path(RULE).name}:{line}"


@pytest.mark.seconds
def test_the_command_lists_them_as_text_and_json_and_suggests_a_name(tmp_path: Path) -> None:
    site, runner = str(folder(tmp_path)), CliRunner()
    text = runner.invoke(app, ["site", "parameters", site])
    assert text.exit_code == 0
    assert "  now       3 trials instead of 2; P&T (pharmacy, review 2026-01-01)" in text.stdout
    assert "  may be    1 to 4 trials" in text.stdout
    assert "2 parameter(s) a site may set, 1 with another value here" in text.stdout
    data = json.loads(runner.invoke(app, ["site", "parameters", site, "--json", "--only", "standard"]).stdout)
    assert [(one["name"], one["may_be"], one["rule"]) for one in data] == [
        ("standard", ["ours", "theirs"], "depression")
    ]
    wrong = runner.invoke(app, ["site", "parameters", site, "--only", "trials_requird"])
    assert wrong.exit_code == 2
    assert "trials_required" in wrong.output
    fixed = runner.invoke(app, ["site", "parameters", site, "--only", "adult_age"])
    assert fixed.exit_code == 2
    assert "ask its owners" in " ".join(fixed.output.replace("│", " ").split())


def test_check_says_what_a_change_means_for_the_rules(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["check", str(folder(tmp_path)), "--today", "2025-06-01"])
    assert told.exit_code == 0
    lines = " ".join(told.stdout.split())
    assert "trials_required: 3 instead of 2 trials; read by " in lines
    assert "resistant" in lines
    assert "of depression; cards: suggest" in lines
