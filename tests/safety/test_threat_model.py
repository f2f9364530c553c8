"""The threat model: each row names tests that hold it, and the build fails when one is gone."""

from __future__ import annotations

import re

from tests.safety.test_hazards import ROOT, defined_tests

PAGE = ROOT / "docs" / "developers" / "threat-model.md"
ROW = re.compile(r"^\| ([STRIDE]) \| .+ \| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"`(test_\w+)`")


def rows() -> list[tuple[str, list[str]]]:
    return [(kind, NAME.findall(held)) for kind, held in ROW.findall(PAGE.read_text(encoding="utf-8"))]


def test_every_row_names_a_test_that_runs() -> None:
    known = defined_tests()

    assert len(rows()) > 20
    for kind, named in rows():
        assert named, kind
        assert set(named) <= known, set(named) - known


def test_every_kind_of_threat_is_looked_at() -> None:
    assert {kind for kind, _ in rows()} == set("STRIDE")


def test_what_is_not_held_is_said() -> None:
    assert "## Not held" in PAGE.read_text(encoding="utf-8")
    assert "threat-model.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
