"""What `cds test` prints: verdicts, and what no case shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cds.authoring.testing import report as report_module
from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.report import AT_ONCE, run_folder
from cds.yaml_source.problem import RulesError

Read = Callable[..., RuleTests]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder]}
tests:
  - {name: An adult counts, given: depressed, then: {depressed_adult: true}}
  - {name: A child counts too, given: depressed, but: {age: 7}, then: {depressed_adult: true}}
"""


def test_a_folder_is_run_whole(rule_tests: Read, rules_folder: Path) -> None:
    rule_tests(TESTS)
    report = run_folder(rules_folder)

    assert report.passed == 1
    assert [failed.name for failed in report.failed] == ["A child counts too"]
    (line,) = report.never_shown
    assert line.endswith("  no case says that depressed_adult is unknown.")


def test_some_cases_say_nothing_of_what_is_never_shown(rule_tests: Read, rules_folder: Path) -> None:
    rule_tests(TESTS)
    report = run_folder(rules_folder, only="ADULT counts")

    assert (report.passed, report.failed, report.never_shown) == (1, (), ())


@pytest.mark.seconds
def test_verdicts_stand_in_the_order_of_the_file_also_among_cases_with_other_values(
    rule_tests: Read, rules_folder: Path
) -> None:
    ages = range(30, 30 + 2 * AT_ONCE)
    cases = "".join(
        f"  - {{name: At {age}, given: depressed, but: {{age: {age}}}, with: {{adult_from: {50 + age % 3}}}, "
        f"then: {{depressed_adult: {str(age >= 50 + age % 3).lower()}}}}}\n"
        if age % 4
        else f"  - {{name: At {age}, given: depressed, but: {{age: {age}}}, then: {{depressed_adult: false}}}}\n"
        for age in ages
    )
    rule_tests(TESTS[: TESTS.index("  - ")] + cases)

    report = run_folder(rules_folder)

    assert [verdict.name for verdict in report.verdicts] == [f"At {age}" for age in ages]
    assert [verdict.name for verdict in report.failed] == [f"At {age}" for age in ages if age % 4 == 0]


def test_rules_with_other_values_are_made_once_for_all_cases_that_share_them(
    rule_tests: Read, rules_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = "  - {{name: At {0}, given: depressed, with: {{adult_from: {1}}}, then: {{depressed_adult: true}}}}\n"
    rule_tests(TESTS[: TESTS.index("  - ")] + "".join(shared.format(n, 20 + n % 3) for n in range(2 * AT_ONCE)))
    taken: list[list[int]] = []

    def spread(work: Callable[[range], Any], shares: list[range], jobs: int | None) -> Iterator[Any]:
        for share in shares:
            result = work(share)
            taken.append([verdict.case.with_["adult_from"] for verdict in result[0]])
            yield result

    monkeypatch.setattr(report_module, "run_in_processes", spread)
    run_folder(rules_folder)

    values = [value for share in taken for value in share]
    assert sum(one != other for one, other in pairwise(values)) == 2


def test_a_folder_with_mistakes_is_not_run(rule_tests: Read, rules_folder: Path) -> None:
    rule_tests(TESTS.replace("depressed_adult", "depressed_adlt"))
    with pytest.raises(RulesError) as wrong:
        run_folder(rules_folder)
    assert len(wrong.value.problems) == 2
