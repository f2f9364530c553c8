"""Before a rule file is read, it is looked at: its kind, its size, and where it leads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cds.authoring.testing.cases import read_rule_tests
from cds.rulebook.loader import read_rulebook
from cds.yaml_source.source_file import MAX_SOURCE_BYTES
from tests.rulebook.small_rules import GOOD, book_of


def pipe(path: Path) -> str:
    os.mkfifo(path)
    return "not a plain file"


def folder(path: Path) -> str:
    path.mkdir()
    return "Is a directory"


def large(path: Path) -> str:
    with path.open("wb") as file:
        file.truncate(MAX_SOURCE_BYTES + 1)
    return "larger than 2 MB"


def link(path: Path) -> str:
    secret = next(folder for folder in path.parents if folder.name == "rules").parent / "secret"
    secret.write_text("about: hunter2\n")
    path.symlink_to(secret)
    return "outside of the folder"


def circle(path: Path) -> str:
    path.symlink_to(path)
    return "Cannot open this file"


KINDS = pytest.mark.parametrize("make", [pipe, folder, large, link, circle])


@KINDS
@pytest.mark.parametrize("name", ["more.yaml", "valuesets/more.yaml"])
def test_what_is_no_plain_file_of_the_folder_is_a_problem_and_is_not_read(
    tmp_path: Path, make: Callable[[Path], str], name: str
) -> None:
    rules = tmp_path / "rules"
    assert book_of(rules, GOOD).problems == []
    what = make(rules / name)

    (problem,) = read_rulebook(rules).problems

    assert problem.check == "unreadable"
    assert what in problem.what
    assert "hunter2" not in str(problem)


@KINDS
def test_the_same_holds_for_test_files(tmp_path: Path, make: Callable[[Path], str]) -> None:
    rules = tmp_path / "rules"
    book = book_of(rules, GOOD)
    what = make(rules / "more.test.yaml")

    found = read_rule_tests(rules, book).problems

    assert [what in problem.what for problem in found if problem.check == "unreadable"] == [True]
    assert not any("hunter2" in str(problem) for problem in found)


def test_a_link_inside_of_the_folder_is_followed(tmp_path: Path) -> None:
    """As Kubernetes mounts files of a ConfigMap."""
    rules = tmp_path / "rules"
    book = book_of(rules, GOOD)
    (name, *_) = book.rules
    file = Path(book.rules[name].file)
    data = rules / "..data"
    data.mkdir()
    file.rename(data / "kept")
    file.symlink_to(data / "kept")

    assert read_rulebook(rules).problems == []
