"""The examples of docs/rule-authors/tests.md are read as written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds.casebook.cases import read_casebook

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs" / "rule-authors" / "tests.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the shipped rules without their own test files."""
    root = tmp_path_factory.mktemp("docs") / "rules"
    ignored = shutil.ignore_patterns("*.test.yaml", "patients")
    shutil.copytree(HERE / "rules", root, ignore=ignored)
    return root


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_read_without_a_problem(shipped: Path, block: str) -> None:
    if not block.startswith("today:"):
        block = f"today: 2026-06-01\n{block}tests:\n  - {{name: Anna, given: anna, then: {{age: unknown}}}}\n"
    (shipped / "depression" / "docs.test.yaml").write_text(block, encoding="utf-8")

    book = read_casebook(shipped)

    assert [str(problem) for problem in book.problems] == []
    assert book.cases


BUT = PAGE.split("## but")[1].split("## then")[0]


@pytest.mark.parametrize("but", re.findall(r"^\| `(.*?)`(?: or `.*?`)? \|", BUT, re.MULTILINE))
def test_a_change_of_the_table_is_read_without_a_problem(shipped: Path, but: str) -> None:
    text = BLOCKS[0].split("tests:")[0] + f"tests:\n  - name: Changed\n    given: anna\n    but:\n      {but}\n"
    (shipped / "depression" / "docs.test.yaml").write_text(text + "    then: {age: 46}\n", encoding="utf-8")

    assert [str(problem) for problem in read_casebook(shipped).problems] == []


THEN = PAGE.split("## then")[1].split("## Days")[0]


@pytest.mark.parametrize("then", re.findall(r"^\| `([a-z_0-9]+: [^`]*)`", THEN, re.MULTILINE))
def test_a_claim_of_the_table_has_a_legal_form(shipped: Path, then: str) -> None:
    text = BLOCKS[0].split("tests:")[0] + f"tests:\n  - name: Claimed\n    given: anna\n    then:\n      {then}\n"
    (shipped / "depression" / "docs.test.yaml").write_text(text, encoding="utf-8")

    problems = read_casebook(shipped).problems

    assert [str(problem) for problem in problems if "is not a card" not in problem.what] == []
