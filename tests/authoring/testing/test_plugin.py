"""The pytest plugin: each case is a test named by its sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

# Named only when it is not installed as an entry point: pytest refuses to load a plugin under two names.
INSTALLED = entry_points(group="pytest11", name="cds-casebook")
PLUGIN = () if INSTALLED else ("-p", "cds.authoring.testing.pytest_plugin")

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder]}
tests:
  - {name: An adult counts, given: depressed, then: {depressed_adult: true}}
  - {name: A child counts too, given: depressed, but: {age: 7}, then: {depressed_adult: true}}
"""


@pytest.fixture
def site(pytester: pytest.Pytester, write_rules_to: Callable[[Path], Path]) -> Any:
    """A folder with rules/ and one test file; runs pytest in it."""
    rules = write_rules_to(pytester.path / "rules")

    def run(tests: str, *options: str, file: str = "rules/depression/depression.test.yaml") -> Any:
        path = pytester.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tests)
        return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", *options)

    run.rules = rules  # type: ignore[attr-defined]
    return run


def test_each_case_is_a_test_and_a_failure_shows_reasons_without_a_traceback(site: Any) -> None:
    result = site(TESTS, "-v")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*depression.test.yaml::An adult counts PASSED*"])
    result.stdout.fnmatch_lines(["*depression.test.yaml:7*", "*depressed_adult: expected true, got false*", "*false*"])
    assert "Traceback" not in result.stdout.str()
    assert "runtest" not in result.stdout.str()


def test_cases_can_be_chosen_by_their_words(site: Any) -> None:
    site(TESTS, "-k", "adult").assert_outcomes(passed=1, deselected=1)


@pytest.mark.seconds
def test_mistakes_in_a_test_file_stop_its_collection_with_lines(site: Any) -> None:
    result = site(TESTS.replace("depressed_adult: true}}\n", "depressed_adlt: true}}\n", 1))

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*depression.test.yaml:6*unknown-name*", "*Did you mean `depressed_adult`?*"])


def test_mistakes_in_rule_files_are_shown_as_problems(site: Any) -> None:
    (site.rules / "depression" / "broken.yaml").write_text("about: {}\n")
    result = site(TESTS)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*broken.yaml:1*"])


def test_a_test_file_without_rules_above_it_is_left_alone(site: Any) -> None:
    result = site(TESTS, file="elsewhere/some.test.yaml")
    result.assert_outcomes()


@pytest.mark.seconds
def test_the_rules_folder_can_be_named(site: Any, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ncds_rules = rules")
    site(TESTS).assert_outcomes(passed=1, failed=1)
    assert site(TESTS, file="elsewhere/some.test.yaml").parseoutcomes() == {"passed": 1, "failed": 1}


def test_the_plugin_alone_imports_nothing_else_of_ours() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, cds.authoring.testing.pytest_plugin; print([m for m in sys.modules if m[:4] == 'cds.'])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "['cds.authoring', 'cds.authoring.testing', 'cds.authoring.testing.pytest_plugin']"
