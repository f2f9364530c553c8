"""The shipped rules with their questions, loaded once for all tests of populations."""

from __future__ import annotations

import pytest

from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from tests.shipped import shipped_rules


@pytest.fixture(scope="session")
def asking() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT, cohorts=True)
