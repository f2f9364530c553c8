"""Rule files broken on purpose (tests/rulebook/broken), each with what its author must be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from tests.rulebook.small_rules import GOOD, RULE, TODAY, write_rules

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


def expected(text: str) -> str:
    """The message in the comment at the top."""
    head = text.split("\n\n", 1)[0].splitlines()[1:]
    return "\n".join(line.removeprefix("#   ") for line in head)


def test_there_are_forty_or_more() -> None:
    assert len(BROKEN) >= 40


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_file_is_told_where_what_why_and_how_to_mend_it(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    folder = write_rules(tmp_path / "rules", {**GOOD, RULE: text})

    found = [problem for problem in check(read_rulebook(folder), today=TODAY) if problem.file.endswith(RULE)]

    said = "\n".join(str(problem) for problem in found).replace(f"{folder}/", "")
    assert re.sub(rf"(?m)^{re.escape(RULE)}:", "", said) == expected(text)
