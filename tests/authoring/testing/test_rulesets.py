"""Rules made ready for cases: what is alike to every condition is concluded once, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.rulesets import RulesetCache
from cds.authoring.testing.run import record_of
from cds.decide import decide
from cds.logic.truth import Truth

Read = Callable[..., RuleTests]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [F33.1], scores: [{phq-9-total: 12, at: 2026-05-20}]}
tests:
  - {name: One, given: depressed, then: {depressed_adult: true}}
  - {name: Another, given: depressed, but: {BUT}, then: {depressed_adult: true}}
"""


@pytest.mark.parametrize(
    ("but", "once"),
    [
        ("scores.0.at: 2026-05-21", True),
        ("conditions.+: major-depressive-disorder", True),
        ("sex: male", True),
        ("age: 47", False),
        ("scores.0.phq-9-total: 13", False),
        ("scores.0.phq-9-total: null", False),
        ("conditions: []", False),
        ("not_sent: [conditions]", False),
    ],
)
def test_what_differs_for_some_condition_is_concluded_anew(
    rule_tests: Read, rules_folder: Path, but: str, once: bool
) -> None:
    cases = rule_tests(TESTS.replace("BUT", but).replace("[F33.1]", "[{code: F33.1}]")).cases
    shelf = RulesetCache(rules_folder)
    rules = shelf.rules({}, cases[0].today)

    one, another = (decide(rules, record_of(case, rules), case.today).truths for case in cases)

    assert (one is another) is once
    assert one["depressed_adult"] is Truth.TRUE
