"""`cds test` with its options, as an author types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cds.authoring.testing.cases import RuleTests
from cds.cli.main import app

Read = Callable[..., RuleTests]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 18, conditions: [major-depressive-disorder], scores: [{phq-9-total: 10, at: 60 days ago}]}
tests:
  - {name: An adult counts, given: depressed, then: {depressed_adult: true, notes: {say_so: [1]}}}
  - {name: A child does not, given: depressed, but: {age: 17}, then: {depressed_adult: false, no_cards: true}}
  - {name: A low score is not told, given: depressed, but: {scores.0.phq-9-total: 9}, then: {notes: {say_so: []}}}
"""


@pytest.fixture
def run(rule_tests: Read, rules_folder: Path) -> Callable[..., Result]:
    rule_tests(TESTS)

    def command(*options: object) -> Result:
        return CliRunner().invoke(app, ["test", str(rules_folder), *map(str, options)])

    return command


def test_coverage_is_printed_and_written_as_a_page_and_results_as_junit(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("--coverage", "--html", tmp_path / "page.html", "--junit", tmp_path / "results.xml")

    assert result.exit_code == 0
    assert "is never unknown" in result.stdout
    assert "3 passed, 0 failed" in result.stdout
    assert "An adult counts" not in (tmp_path / "page.html").read_text()
    assert "depressed_adult" in (tmp_path / "page.html").read_text()
    assert 'name="An adult counts"' in (tmp_path / "results.xml").read_text()


def test_survivors_are_listed_and_too_many_of_them_exit_with_1(run: Callable[..., Result]) -> None:
    strict = run("--changes-of", "depressed_adult", "--jobs", "1", "--max-survivors", "0")
    lenient = run("--changes-of", "depressed_adult", "--jobs", "1", "--most-survivors", "100")

    assert (strict.exit_code, lenient.exit_code) == (1, 0)
    assert "depressed_adult: without `major_depression`" in strict.stdout
    assert "changes noticed by no case" in strict.stdout
    assert "now called --max-survivors" in lenient.stderr
    assert "--most" not in strict.stderr


@pytest.mark.parametrize(
    "options",
    [("--changes-of", "nothing-here"), ("--html", "/nowhere/page.html"), ("--sample", "0"), ("-k", "no such words")],
)
def test_wrong_use_exits_with_2(run: Callable[..., Result], options: tuple[str, ...]) -> None:
    assert run(*options).exit_code == 2
