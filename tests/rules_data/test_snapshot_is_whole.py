"""rules/cards.snapshot has a line for every shipped case; that its cards are right, `cds test rules` says."""

from __future__ import annotations

import pytest

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.snapshot import read_snapshot, snapshot_text
from cds.rulebook.loader import read_rulebook
from tests.server import ROOT

pytestmark = pytest.mark.slow


def test_every_shipped_case_is_in_the_snapshot_and_nothing_else() -> None:
    rules = ROOT / "rules"
    book = read_rule_tests(rules, read_rulebook(rules))
    cases = {book.key(case) for case in book.cases if not case.then.error}
    known = read_snapshot(rules) or {}

    assert cases - known.keys() == set(), "run `cds test rules --update`"
    assert known.keys() - cases == set(), "run `cds test rules --update`"
    assert snapshot_text(known) == (rules / "cards.snapshot").read_text()
