"""cards.snapshot: a case claims what it is about, and the exact cards of all cases are one file to review."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cds.authoring.mutation.run import MutantSelection, run_mutants
from cds.authoring.testing.cases import RuleTests, read_rule_tests
from cds.authoring.testing.check import check_folder, decided_problems
from cds.authoring.testing.report import run_folder
from cds.authoring.testing.snapshot import SNAPSHOT, compared, read_snapshot, snapshot_text
from cds.authoring.testing.verdict import examine_folder
from cds.cli.main import app
from cds.rulebook.loader import read_rulebook
from cds.yaml_source.problem import Problem
from tests.authoring.testing.conftest import RULE

Read = Callable[..., RuleTests]
TODAY = date(2026, 6, 1)

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder], scores: [{phq-9-total: 17, at: 10 days ago}]}
tests:
  - {name: "An adult → counts", given: depressed, then: {depressed_adult: true, shows: [say_so]}}
  - {name: A child does not, given: depressed, but: {age: 7}, then: {depressed_adult: false, does_not_show: [say_so]}}
"""
SECOND = """
  say_more:
    service: depression
    show_when: {age: {at_least: adult_from}}
    indicator: warning
    summary: One more
    detail: For every adult.
    source: {label: Tests}
    topic: {system: "https://example.org/topics", code: adult, display: Adult}
"""


@pytest.fixture
def run(rule_tests: Read, rules_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    rule_tests(TESTS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(*options: str) -> Result:
        return CliRunner().invoke(app, ["test", str(rules_folder), *options])

    return command


@pytest.mark.seconds
def test_the_snapshot_is_written_and_read_back(run: Callable[..., Result], rules_folder: Path) -> None:
    assert run().exit_code == 0  # without a snapshot, nothing is compared
    assert run("--update").exit_code == 0

    known = read_snapshot(rules_folder)
    file = "depression/depression.test.yaml"
    assert known == {(file, "An adult → counts"): ("say_so",), (file, "A child does not"): ()}
    assert snapshot_text(known) == (rules_folder / SNAPSHOT).read_text()
    assert run().exit_code == 0


@pytest.mark.seconds
def test_a_new_card_breaks_no_case_and_is_one_difference_of_the_snapshot(
    run: Callable[..., Result], rules_folder: Path
) -> None:
    run("--update")
    before = (rules_folder / SNAPSHOT).read_text()
    rule = rules_folder / "depression" / "depression.yaml"
    rule.write_text(RULE.rstrip("\n") + "\n" + SECOND)

    told = run()
    assert "2 passed, 0 failed" in told.stdout
    assert "say_more: +1 case(s)" in told.stdout
    assert told.exit_code == 1

    assert run("--update").exit_code == 0
    after = (rules_folder / SNAPSHOT).read_text()
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        "  An adult → counts → say_more, say_so"
    ]
    assert run().exit_code == 0


@pytest.mark.seconds
def test_a_case_that_is_new_and_one_that_is_gone_are_told_and_a_part_of_a_run_keeps_the_rest(
    run: Callable[..., Result], rules_folder: Path
) -> None:
    run("--update")
    tests = rules_folder / "depression" / "depression.test.yaml"
    tests.write_text(TESTS.replace("A child does not", "No child counts"))

    told = run()
    assert "not in the snapshot yet: 1" in told.stdout
    assert "no longer there: 1" in told.stdout
    assert told.exit_code == 0  # no card is another; the build asks for the line of each case

    run("--update", "-k", "no child")
    assert [name for _, name in read_snapshot(rules_folder) or {}] == ["An adult → counts", "No child counts"]


def test_cards_in_another_order_differ() -> None:
    key = ("a.test.yaml", "A case")
    found = compared({key: ("one", "two")}, {key: ("two", "one")}, [key])

    assert list(found.lines) == ["in another order: 1 case(s)"]


def test_a_server_does_not_take_rules_whose_cards_nobody_looked_at(
    run: Callable[..., Result], rules_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.authoring.testing.verdict.problems_in", lambda *_: [])
    run("--update")
    text = (rules_folder / SNAPSHOT).read_text()
    (rules_folder / SNAPSHOT).write_text(text.replace("counts → say_so", "counts → nothing"))

    report = run_folder(rules_folder)
    assert (len(report.failed), bool(report.snapshot)) == (0, True)
    verdict = examine_folder(rules_folder, date(2026, 6, 1))
    assert any("say_so: +1" in line for line in verdict.against)


def test_a_case_without_a_line_and_a_line_without_a_case_are_mistakes(
    run: Callable[..., Result], rule_tests: Read, rules_folder: Path
) -> None:
    assert "case-not-in-snapshot" not in {problem.check for problem in check_folder(rules_folder, TODAY)}
    assert run("--update").exit_code == 0
    assert "case-not-in-snapshot" not in {problem.check for problem in check_folder(rules_folder, TODAY)}

    rule_tests(TESTS.replace("A child does not", "No child counts"))
    told = [problem for problem in check_folder(rules_folder, TODAY) if problem.check == "case-not-in-snapshot"]
    assert [(Path(problem.file).name, problem.warning) for problem in told] == [
        (SNAPSHOT, False),
        ("depression.test.yaml", False),
    ]
    assert "A child does not" in told[0].what
    assert "No child counts" in told[1].what


def test_a_card_that_is_left_out_because_others_stand_before_it_is_told(
    run: Callable[..., Result], rules_folder: Path
) -> None:
    rule = rules_folder / "depression" / "depression.yaml"

    def told(text: str) -> list[Problem]:
        rule.write_text(text)
        book = read_rulebook(rules_folder)
        return decided_problems(book, read_rule_tests(rules_folder, book), ())

    assert run().exit_code == 0
    assert told(RULE + SECOND) == []
    (one,) = told(RULE.replace("most_cards: 3", "most_cards: 1") + SECOND)
    assert (one.check, one.line) == ("card-left-out", RULE.splitlines().index("  say_so:") + 1)
    assert "`say_so` is one too many in “An adult → counts”" in one.what


def test_a_change_that_only_the_snapshot_notices_is_noticed(run: Callable[..., Result], rules_folder: Path) -> None:
    tests = rules_folder / "depression" / "depression.test.yaml"
    tests.write_text(TESTS.replace("depressed_adult: true, shows: [say_so]", "age: 46"))
    selection = MutantSelection(("depressed_adult",), None, False)
    bare = {one.change.name for one in run_mutants(rules_folder, selection, 1).survivors}

    run("--update")

    kept = {one.change.name for one in run_mutants(rules_folder, selection, 1).survivors}
    assert kept < bare


def test_shows_claims_an_order(rule_tests: Read, rules_folder: Path) -> None:
    rule = rules_folder / "depression" / "depression.yaml"
    rule.write_text(RULE.rstrip("\n") + "\n" + SECOND)
    rule_tests(
        TESTS.replace("shows: [say_so]", "shows: [say_so, say_more]").replace("- {name: A child", "- {name: A kid")
    )

    (failed,) = run_folder(rules_folder).failed
    assert failed.differences == ("shows: expected say_so, say_more in this order, got say_more, say_so",)


@pytest.mark.seconds
def test_many_cases_that_fail_alike_are_one_screen_and_only_they_are_run_again(
    run: Callable[..., Result], rules_folder: Path
) -> None:
    many = "".join(
        f"  - {{name: At {age} a child, given: depressed, but: {{age: {age}}}, then: {{depressed_adult: false}}}}\n"
        for age in range(18, 90)
    )
    tests = rules_folder / "depression" / "depression.test.yaml"
    tests.write_text(TESTS + many)

    told = run()
    assert "2 passed, 72 failed" in told.stdout
    assert len(told.stdout.splitlines()) < 40
    assert "and 71 more that differ in depressed_adult" in told.stdout
    assert "57 more; --full" in told.stdout
    assert len(run("--full").stdout.splitlines()) > 300
    assert run("--first").stdout.count("✗") == 1

    again = run("--failed")
    assert "0 passed, 72 failed" in again.stdout
    tests.write_text(TESTS)
    assert run("--failed").exit_code == 0
