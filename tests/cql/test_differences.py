"""Charts with the defects of real ones, answered by cql-execution and by us: each difference is explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.against_cql import ALTERATIONS, EXPLAINED, compare

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.processes
def test_every_difference_to_cql_is_explained_on_the_page(modules: Path) -> None:
    lines, explained = compare(4, modules)

    assert explained, "\n".join(lines)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}
    assert rows.keys() == ALTERATIONS.keys()
    assert rows["none"].split(" | ")[1:4] == ["4", "4", "0"]  # of clean charts, both say the same
    page = (ROOT / "docs" / "developers" / "performance.md").read_text()
    for why in EXPLAINED.values():
        assert why in page
