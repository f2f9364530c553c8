"""The threat model: each row names tests that hold it, and the build fails when one is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.safety.test_hazards import ROOT, defined_tests

PAGE = (ROOT / "docs" / "developers" / "threat-model.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([STRIDE](?:, [STRIDE])*|[RF]\d+) \| .+ \| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"`(test_\w+)`")
WORDS = ("## What CDS Hooks recommends", "## Faults that were found", "## Not held")
RECOMMENDATIONS = [f"R{number}" for number in range(1, 18)]
FAULTS = [f"F{number}" for number in range(1, 21)]


def rows(text: str) -> list[tuple[str, list[str]]]:
    return [(kind, NAME.findall(held)) for kind, held in ROW.findall(text)]


def flaws(text: str, known: set[str]) -> Iterator[str]:
    """Rows without a test, tests that are gone, and what has no row."""
    for kind, named in rows(text):
        if not named:
            yield f"{kind}: no test"
        yield from (f"{kind}: {name} is gone" for name in named if name not in known)
    listed = [kind for kind, _ in rows(text)]
    yield from (f"{one}: not one row" for one in (*RECOMMENDATIONS, *FAULTS) if listed.count(one) != 1)
    for door, kinds in doors(text).items():
        yield from (f"{door}: nothing of {kind}" for kind in "STRIDE" if kind not in kinds)


def doors(text: str) -> dict[str, set[str]]:
    """Door → the kinds of threat it has a row of."""
    sections = text.split(WORDS[0], maxsplit=1)[0].split("\n## ")[1:]
    found = {section.splitlines()[0]: ROW.findall(section) for section in sections}
    return {door: {kind for kinds, _ in listed for kind in kinds.split(", ")} for door, listed in found.items()}


@pytest.mark.seconds
def test_every_door_recommendation_and_fault_has_a_row_with_tests_that_run() -> None:
    assert list(flaws(PAGE, defined_tests())) == []
    assert len(doors(PAGE)) == 6
    assert len(rows(PAGE)) > 80


@pytest.mark.seconds
@pytest.mark.parametrize("name", sorted({name for _, named in rows(PAGE) for name in named})[::10])
def test_a_test_that_is_gone_or_skipped_is_noticed(name: str) -> None:
    assert any(f"{name} is gone" in flaw for flaw in flaws(PAGE, defined_tests() - {name}))


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["R1", "R17", "F1", "F20"])
def test_a_recommendation_or_fault_without_a_row_is_noticed(kind: str) -> None:
    without = "\n".join(line for line in PAGE.splitlines() if not line.startswith(f"| {kind} |"))

    assert list(flaws(without, defined_tests())) == [f"{kind}: not one row"]


def test_what_is_not_held_is_said() -> None:
    assert all(word in PAGE for word in WORDS)
    assert "threat-model.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
