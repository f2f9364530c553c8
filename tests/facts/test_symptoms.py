from __future__ import annotations

import pytest

from cds.facts.fact import Fact, WhyUnknown
from cds.facts.symptoms import CompiledSymptoms, find_symptoms
from cds.logic.truth import Truth

WANTED = CompiledSymptoms("now", "Symptoms now", None, (("one", 10.0), ("two", 20.0)))
NOT_THERE = Fact("", "Score", because="none recorded", why_unknown=WhyUnknown.NOT_FOUND, missing=("Score",))
NOT_READ = Fact("", "Score", because="it is not a whole number", why_unknown=WhyUnknown.UNREADABLE, trace=True)


def score(low: float, high: float | None = None) -> Fact:
    return Fact("", "Score", low=low, high=low if high is None else high, text=f"{low:g}")


@pytest.mark.parametrize(
    ("one", "two", "truth"),
    [
        (score(10), NOT_THERE, Truth.TRUE),
        (score(9), NOT_THERE, Truth.FALSE),
        (NOT_THERE, score(20), Truth.TRUE),
        (NOT_THERE, score(19), Truth.FALSE),
        (score(3), score(20), Truth.TRUE),
        (score(3), score(19), Truth.FALSE),
        (score(9, 10), NOT_THERE, Truth.UNKNOWN),
        (score(9, 10), score(20), Truth.TRUE),
        (score(9), NOT_READ, Truth.UNKNOWN),
        (NOT_THERE, NOT_THERE, Truth.UNKNOWN),
        (NOT_READ, NOT_THERE, Truth.UNKNOWN),
    ],
)
def test_any_score_that_reaches_its_limit_says_yes_and_only_known_ones_say_no(
    one: Fact, two: Fact, truth: Truth
) -> None:
    fact = find_symptoms(WANTED, {"one": one, "two": two})

    assert fact.truth is truth
    assert (fact.why_unknown is None) is (truth is not Truth.UNKNOWN)


def test_the_limit_it_was_compared_with_is_said() -> None:
    fact = find_symptoms(WANTED, {"one": score(12), "two": NOT_THERE})

    assert fact.text == "Score 12 (cutoff ≥ 10)"


def test_without_any_score_the_first_one_is_what_is_missing() -> None:
    fact = find_symptoms(WANTED, {"one": NOT_THERE, "two": NOT_THERE})

    assert (fact.missing, fact.because) == (("Score",), "Score: none recorded")
