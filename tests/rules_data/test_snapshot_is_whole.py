"""rules/cards.snapshot has a line for every shipped case; that its cards are right, `cds test rules` says."""

from __future__ import annotations

import pytest

from cds.authoring.testing.check import case_not_in_snapshot
from cds.authoring.testing.snapshot import read_snapshot, snapshot_text
from tests.server import ROOT
from tests.shipped import shipped_cases

pytestmark = pytest.mark.slow


def test_every_shipped_case_is_in_the_snapshot_and_nothing_else() -> None:
    rules = ROOT / "rules"
    book = shipped_cases()
    known = read_snapshot(rules) or {}

    assert len(known) > 1000
    assert list(case_not_in_snapshot(book)) == []
    assert snapshot_text(known) == (rules / "cards.snapshot").read_text()
