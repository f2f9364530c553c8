"""The shipped rules with their questions, loaded once for all tests of populations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.ruleset import load_rules
from tests.server import ROOT


@pytest.fixture(scope="session")
def asking() -> Iterator[Ruleset]:
    loaded = load_rules(ROOT / "rules", EvaluatorMode.DIRECT, date(2026, 6, 1), cohorts=True)
    yield loaded
    loaded.reasoner.close()
