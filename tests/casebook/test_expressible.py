"""The shorthand can say every evaluation case."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds.casebook.cases import Casebook, read_casebook

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "rules"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Casebook:
    root = tmp_path_factory.mktemp("evaluation") / "rules"
    shutil.copytree(RULES, root, ignore=shutil.ignore_patterns("*.test.yaml"))
    shutil.copy(HERE / "evaluation-cases.yaml", root / "depression" / "evaluation.test.yaml")
    return read_casebook(root)


def test_every_evaluation_case_is_read_without_a_problem(book: Casebook) -> None:
    assert [str(problem) for problem in book.problems] == []


def test_no_evaluation_case_is_left_out(book: Casebook) -> None:
    beside_the_rule = {*range(1, 22), 26, 27, *range(29, 34)}
    here = {int(case.name.split()[0]) for case in book.cases}

    assert here == {*range(1, 36), *range(101, 136)} - beside_the_rule
