from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, line_of, write_rules
from tests.test_cli import cds

pytestmark = pytest.mark.processes

AS_OF = ("--today", str(TODAY))
GIT = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> None:
    program = shutil.which("git")
    assert program
    subprocess.run([program, "-C", str(folder), *GIT, *arguments], check=True, capture_output=True)


def repository(folder: Path) -> Path:
    write_rules(folder / "rules", GOOD)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder / "rules"


def test_diff_compares_a_revision_with_the_files_as_they_are(tmp_path: Path) -> None:
    rules = repository(tmp_path)
    text = changed(GOOD[RULE], "value: 2, unit: trials", "value: 3, unit: trials")
    (rules / RULE).write_text(text)

    code, page, _ = cds("diff", "main", "--rules", rules, *AS_OF, "--examples", tmp_path)

    assert code == 0
    assert "`trials_required`: 2 → 3 trials (depression/depression.yaml:" in page
    assert "0 patients replayed" in page


def test_diff_of_nothing_says_so(tmp_path: Path) -> None:
    rules = repository(tmp_path)
    (rules / RULE).write_text(f"# only a comment\n{GOOD[RULE]}")

    assert "Nothing changed in meaning." in cds("diff", "main", "--rules", rules, *AS_OF)[1]
    assert "Nothing changed in meaning." in cds("diff", rules, rules, *AS_OF)[1]


def test_diff_of_what_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    rules = repository(tmp_path)

    assert cds("diff", "nope", "--rules", rules, *AS_OF)[0] == 2
    assert cds("diff", "--output=x", "--rules", rules, *AS_OF)[0] == 2
    assert cds("diff", rules, rules, *AS_OF, "--cohort", tmp_path / "none")[0] == 2


def test_diff_with_broken_rules_says_what_is_wrong(tmp_path: Path) -> None:
    rules = repository(tmp_path)
    (rules / RULE).write_text("about: {}\n")

    code, _, problems = cds("diff", "main", "--rules", rules, *AS_OF)

    assert code == 1
    assert "missing-key" in problems


def test_check_fails_until_the_version_is_raised_and_locked(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", GOOD)
    assert cds("lock", rules, *AS_OF)[0] == 0
    assert cds("check", rules, *AS_OF)[0] == 0

    text = changed(GOOD[RULE], "value: 2, unit: trials", "value: 3, unit: trials")
    (rules / RULE).write_text(text)
    code, _, problems = cds("check", rules, *AS_OF)
    assert (code, "lock-out-of-date" in problems) == (1, True)
    assert cds("lock", rules, *AS_OF)[0] == 1

    (rules / RULE).write_text(changed(text, "version: 1.0.0", "version: 2.0.0\n  revised: 2025-05-01"))
    assert cds("check", rules, *AS_OF)[0] == 1
    assert cds("lock", rules, *AS_OF)[0] == 0
    assert cds("check", rules, *AS_OF)[0] == 0


def test_lock_refuses_rules_with_mistakes(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", {**GOOD, RULE: "about: {}\n"})

    assert cds("lock", rules, *AS_OF)[0] == 1
    assert not (rules / "rules.lock").exists()
    assert cds("lock", tmp_path / "none")[0] == 2


CASES = """
today: 2025-06-01
patients:
  ill: {age: 46, scores: [{score-codes: 10, at: 2025-05-20}]}
tests:
  - {name: A score of 10 is symptomatic, given: ill, then: {symptomatic: true}}
  - {name: A score of 7 is not, given: ill, but: {scores.0.score-codes: 7}, then: {symptomatic: false}}
"""


def test_changes_since_a_revision_tells_whom_they_touch_and_tries_only_what_changed(tmp_path: Path) -> None:
    rules = repository(tmp_path)
    cases = rules / "depression" / "depression.test.yaml"
    cases.write_text(CASES)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Write cases")
    since = ("test", rules, "--changes-since", "main", *AS_OF)

    assert cds(*since)[:2] == (
        0,
        "0 change(s) since main: 0 of 2 patients of the cases with another card or conclusion\n",
    )

    (rules / RULE).write_text(changed(GOOD[RULE], "score: {at_least: high_score}", "score: {at_least: low_score}"))
    cases.write_text(
        changed(
            CASES,
            "is not, given: ill, but: {scores.0.score-codes: 7}, then: {symptomatic: false}",
            "is as well, given: ill, but: {scores.0.score-codes: 7}, then: {symptomatic: true}",
        )
    )
    _, page, errors = cds(*since)

    assert "1 change(s) since main: 1 of 2 patients of the cases with another card or conclusion" in page
    assert "symptomatic" in page
    start = line_of(GOOD[RULE], "  symptomatic:")
    survived = {int(line) for line in re.findall(r"survived[^:]*: \S*/depression\.yaml:(\d+)", page)}
    assert survived, page + errors
    assert survived <= set(range(start, start + 5))  # nothing is tried of what is as it was
    assert cds("test", rules, "--changes-since", "nope", *AS_OF)[0] == 2
