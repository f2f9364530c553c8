"""What `cds test` prints: verdicts, and what no case shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cds.casebook.cases import Casebook
from cds.casebook.coverage import never_shown, shown
from cds.casebook.report import run_folder
from cds.rulebook.problem import RulesAreWrong
from cds.truth import Truth

Read = Callable[..., Casebook]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder]}
tests:
  - {name: An adult counts, given: depressed, then: {depressed_adult: true}}
  - {name: A child counts too, given: depressed, but: {age: 7}, then: {depressed_adult: true}}
"""


def verdict(truths: Any, cards: Any) -> Any:
    return SimpleNamespace(truths=truths, shown=cards)


def test_every_answer_and_side_that_no_case_shows_is_named() -> None:
    program = SimpleNamespace(
        heads={"a": None, "b": None, "card:c": None, "note:c:1": None}, cards={"c": None, "d": None}
    )
    seen = shown(
        program,  # type: ignore[arg-type]
        [
            verdict({"a": Truth.TRUE, "b": Truth.TRUE}, ("c",)),
            verdict({"a": Truth.FALSE, "b": Truth.UNKNOWN}, ()),
            verdict({"a": Truth.UNKNOWN}, ()),
            verdict({}, ()),
        ],
    )

    assert never_shown(seen) == ("b is never false.", "card d is never shown.")


def test_a_folder_is_run_whole(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS)
    report = run_folder(rules_folder)

    assert report.passed == 1
    assert [failed.name for failed in report.failed] == ["A child counts too"]
    assert report.never_shown == ("depressed_adult is never unknown.",)


def test_some_cases_say_nothing_of_what_is_never_shown(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS)
    report = run_folder(rules_folder, only="ADULT counts")

    assert (report.passed, report.failed, report.never_shown) == (1, (), ())


def test_a_folder_with_mistakes_is_not_run(casebook: Read, rules_folder: Path) -> None:
    casebook(TESTS.replace("depressed_adult", "depressed_adlt"))
    with pytest.raises(RulesAreWrong) as wrong:
        run_folder(rules_folder)
    assert len(wrong.value.problems) == 2
