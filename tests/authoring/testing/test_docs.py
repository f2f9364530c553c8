"""The examples of docs/rule-authors/tests.md are read as written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cds.authoring.testing.cases import RuleTests, read_rule_tests
from cds.rulebook.loader import read_rulebook

HERE = Path(__file__).parents[3]
PAGE = (HERE / "docs" / "rule-authors" / "tests.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RuleTests]:
    """Read a test file beside a copy of the shipped rules."""
    root = tmp_path_factory.mktemp("docs") / "rules"
    shutil.copytree(HERE / "rules", root, ignore=shutil.ignore_patterns("*.test.yaml", "patients"))
    book = read_rulebook(root)

    def one(tests: str) -> RuleTests:
        (root / "depression" / "docs.test.yaml").write_text(tests, encoding="utf-8")
        return read_rule_tests(root, book)

    return one


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_read_without_a_problem(read: Callable[[str], RuleTests], block: str) -> None:
    if not block.startswith("today:"):
        block = f"today: 2026-06-01\n{block}tests:\n  - {{name: Anna, given: anna, then: {{age: unknown}}}}\n"
    book = read(block)

    assert [str(problem) for problem in book.problems] == []
    assert book.cases


BUT = PAGE.split("## but")[1].split("## then")[0]


@pytest.mark.parametrize("but", re.findall(r"^\| `(.*?)`(?: or `.*?`)? \|", BUT, re.MULTILINE))
def test_a_change_of_the_table_is_read_without_a_problem(read: Callable[[str], RuleTests], but: str) -> None:
    text = BLOCKS[0].split("tests:")[0] + f"tests:\n  - name: Changed\n    given: anna\n    but:\n      {but}\n"

    assert [str(problem) for problem in read(text + "    then: {age: 46}\n").problems] == []


THEN = PAGE.split("## then")[1].split("## Days")[0]


@pytest.mark.parametrize("then", re.findall(r"^\| `([a-z_0-9]+: [^`]*)`", THEN, re.MULTILINE))
def test_a_claim_of_the_table_has_a_legal_form(read: Callable[[str], RuleTests], then: str) -> None:
    text = BLOCKS[0].split("tests:")[0] + f"tests:\n  - name: Claimed\n    given: anna\n    then:\n      {then}\n"

    problems = read(text).problems

    assert [str(problem) for problem in problems if "is not a card" not in problem.what] == []
