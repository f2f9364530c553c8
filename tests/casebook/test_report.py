"""What `cds test` prints: verdicts, and what no case shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cds.casebook.cases import Casebook
from cds.casebook.report import run_folder
from cds.rulebook.problem import RulesAreWrong

Read = Callable[..., Casebook]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder]}
tests:
  - {name: An adult counts, given: depressed, then: {depressed_adult: true}}
  - {name: A child counts too, given: depressed, but: {age: 7}, then: {depressed_adult: true}}
"""


def test_a_folder_is_run_whole(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS)
    report = run_folder(rules_folder)

    assert report.passed == 1
    assert [failed.name for failed in report.failed] == ["A child counts too"]
    (line,) = report.never_shown
    assert line.endswith("  no case says that depressed_adult is unknown.")


def test_some_cases_say_nothing_of_what_is_never_shown(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS)
    report = run_folder(rules_folder, only="ADULT counts")

    assert (report.passed, report.failed, report.never_shown) == (1, (), ())


def test_a_folder_with_mistakes_is_not_run(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS.replace("depressed_adult", "depressed_adlt"))
    with pytest.raises(RulesAreWrong) as wrong:
        run_folder(rules_folder)
    assert len(wrong.value.problems) == 2
