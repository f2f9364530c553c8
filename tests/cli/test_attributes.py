"""cds attributes: the source attributes of a folder of rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules
from tests.test_cli import cds

pytestmark = pytest.mark.slow

AS_OF = ("--today", str(TODAY))


def test_all_thirteen_are_shown_with_what_for(tmp_path: Path) -> None:
    code, text, _ = cds("attributes", write_rules(tmp_path, GOOD), *AS_OF)

    assert code == 0
    for words in (
        "An invented book (not verified)",
        "Tests",
        "released 2025-01-01",
        "Use of race",
        "Adults only. (age)",
    ):
        assert words in text
    assert sum(line.startswith(f"│ {number}") for number in range(1, 14) for line in text.splitlines()) >= 13


def test_json_is_that_of_the_service(tmp_path: Path) -> None:
    code, text, _ = cds("attributes", write_rules(tmp_path, GOOD), "--rule", "depression", "--json", *AS_OF)

    assert code == 0
    (one,) = json.loads(text)
    assert (one["rule"], one["released"], len(one["uses"])) == ("depression", "2025-01-01", 9)


def test_what_the_author_has_not_said_is_shown_as_that(tmp_path: Path) -> None:
    lacking = changed(changed(GOOD[RULE], "  funding: None\n", ""), "    [race, ", "    [")

    code, text, _ = cds("attributes", write_rules(tmp_path, {**GOOD, RULE: lacking}), *AS_OF)

    assert code == 0
    assert text.count("not said") == 2


def test_of_rules_that_cannot_run_nothing_is_shown(tmp_path: Path) -> None:
    rules = write_rules(tmp_path, {**GOOD, RULE: changed(GOOD[RULE], "    find: age\n", "    fnd: age\n")})

    code, text, problems = cds("attributes", rules, *AS_OF)

    assert (code, text) == (1, "")
    assert "unknown-kind" in problems


def test_a_rule_file_that_is_none_is_used_wrongly(tmp_path: Path) -> None:
    code, _, problems = cds("attributes", write_rules(tmp_path, GOOD), "--rule", "nothing", *AS_OF)

    assert code == 2
    assert "depression" in problems
