from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cds.rulebook.loader import LOCK
from cds.rulebook.lock import lock_problems, lock_text, not_fixed
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, SET, TABLE, book_of, changed

FILES = {**GOOD, OTHER: ANOTHER_FILE}


@pytest.fixture
def locked(tmp_path: Path) -> Mapping[str, str]:
    return {**FILES, LOCK: lock_text(book_of(tmp_path / "before", FILES))}


def told(folder: Path, files: Mapping[str, str]) -> list[str]:
    return [problem.what for problem in lock_problems(book_of(folder, files))]


def with_rule(files: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    return {**files, RULE: changed(files[RULE], old, new)}


def test_a_lock_that_fits_is_no_problem(tmp_path: Path, locked: Mapping[str, str]) -> None:
    assert told(tmp_path / "now", locked) == []


def test_a_folder_without_a_lock_is_no_problem(tmp_path: Path) -> None:
    assert told(tmp_path / "now", FILES) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 2, unit: trials", "value: 3, unit: trials"),
        ("      - depression\n", ""),
        ('summary: "At least', 'summary: "No fewer than'),
        ("look_back: 60 days", "look_back: 61 days"),
        ("status: active", "status: silent"),
    ],
)
def test_what_changes_the_meaning_needs_a_new_version(
    tmp_path: Path, locked: Mapping[str, str], old: str, new: str
) -> None:
    edited = with_rule(locked, old, new)
    (problem,) = lock_problems(book_of(tmp_path / "now", edited))

    assert problem.check == "lock-out-of-date"
    assert problem.line == 4  # about.version
    assert "still 1.0.0" in problem.what
    assert "1.0.1" in problem.fix
    assert "1.1.0" in problem.fix
    assert "2.0.0" in problem.fix
    assert not_fixed(book_of(tmp_path / "now", edited), forget=True) == [problem]

    raised = with_rule(edited, "version: 1.0.0", "version: 2.0.0")
    assert told(tmp_path / "raised", raised) == ["rules.lock has version 1.0.0 of it, this is 2.0.0."]
    assert not_fixed(book_of(tmp_path / "raised", raised), forget=False) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status: [active, relapse]", "status: [relapse, active]   # in another order"),
        ("coded: depression-codes\n    status", "coded: [depression-codes]\n    status"),
        ("trials_required: {value: 2, unit: trials,", "trials_required: {unit: trials, value: 2.0,"),
        ("- depression\n      - age: {at_least: adult_age}\n", "- age: {at_least: adult_age}\n      - depression\n"),
        ("    when:\n      score: {at_least: high_score}", "    when: {score: {at_least: high_score}}"),
        ("{date: 2025-01-01, by: pending, next: 2026-01-01}", "{date: 2025-05-01, by: anna, next: 2026-05-01}"),
    ],
)  # fmt: skip
def test_what_changes_the_spelling_or_the_review_needs_none(
    tmp_path: Path, locked: Mapping[str, str], old: str, new: str
) -> None:
    assert told(tmp_path / "now", with_rule(locked, old, new)) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SET, "F32.0: Mild", "F32.1: Moderate"),
        (TABLE, "{value: 50,", "{value: 75,"),
        (SET, "[depression,", "[sadness,"),
    ],
)
def test_a_code_or_dose_a_file_reads_is_part_of_what_it_means(
    tmp_path: Path, locked: Mapping[str, str], file: str, old: str, new: str
) -> None:
    problems = lock_problems(book_of(tmp_path / "now", {**locked, file: changed(locked[file], old, new)}))

    assert [Path(problem.file).name for problem in problems] == ["depression.yaml"]


def test_where_a_code_was_found_is_not(tmp_path: Path, locked: Mapping[str, str]) -> None:
    files = {**locked, SET: locked[SET].replace("Invented for tests", "Made up")}

    assert told(tmp_path / "now", files) == []


def test_versions_do_not_go_back(tmp_path: Path, locked: Mapping[str, str]) -> None:
    assert "lower" in told(tmp_path / "now", with_rule(locked, "version: 1.0.0", "version: 0.9.0"))[0]


def test_a_new_file_is_told_and_the_lock_can_be_written(tmp_path: Path, locked: Mapping[str, str]) -> None:
    book = book_of(tmp_path / "now", {**locked, OTHER: ANOTHER_FILE, LOCK: re.sub("(?m)^other.*\n", "", locked[LOCK])})

    assert [problem.what for problem in lock_problems(book)] == ["`other` is not in rules.lock yet."]
    assert not_fixed(book, forget=False) == []


def test_a_file_that_vanished_is_only_forgotten_when_asked(tmp_path: Path, locked: Mapping[str, str]) -> None:
    book = book_of(tmp_path / "now", {name: text for name, text in locked.items() if name != OTHER})

    assert "no such rule file" in lock_problems(book)[0].what
    assert len(not_fixed(book, forget=False)) == 1
    assert not_fixed(book, forget=True) == []


def test_a_lock_with_marks_of_a_merge_says_its_line(tmp_path: Path, locked: Mapping[str, str]) -> None:
    (problem,) = lock_problems(book_of(tmp_path / "now", {**locked, LOCK: "# x\n<<<<<<< ours\n"}))

    assert (problem.line, problem.what) == (2, "This is no line of a lock.")
