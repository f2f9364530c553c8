"""The direct evaluator: strong Kleene logic, its truth tables in full."""

from __future__ import annotations

from math import inf

import pytest

from cds.engine.kleene import KleeneEvaluator
from cds.logic.conditions import (
    All,
    Any,
    AtLeast,
    Compare,
    Comparison,
    Condition,
    Name,
    Not,
    Possibly,
    Unknown,
)
from cds.logic.truth import Truth

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
A, B, C = Name("a"), Name("b"), Name("c")


def truth(condition: Condition, **statements: Truth) -> Truth:
    return KleeneEvaluator({"h": condition}).run(statements, {})["h"]


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (T, T, T, T),
        (T, F, F, T),
        (T, U, U, T),
        (F, T, F, T),
        (F, F, F, F),
        (F, U, F, U),
        (U, T, U, T),
        (U, F, F, U),
        (U, U, U, U),
    ],
)
def test_all_and_any(a: Truth, b: Truth, both: Truth, either: Truth) -> None:
    assert truth(All((A, B)), a=a, b=b) is both
    assert truth(Any((A, B)), a=a, b=b) is either


@pytest.mark.parametrize(("a", "negated", "unknown", "possibly"), [(T, F, F, T), (F, T, F, F), (U, U, T, T)])
def test_not_unknown_and_possibly(a: Truth, negated: Truth, unknown: Truth, possibly: Truth) -> None:
    assert truth(Not(A), a=a) is negated
    assert truth(Unknown(A), a=a) is unknown
    assert truth(Possibly(A), a=a) is possibly


@pytest.mark.parametrize(
    ("parts", "one", "two", "three"),
    [
        ("TTT", T, T, T),
        ("TTF", T, T, F),
        ("TTU", T, T, U),
        ("TFF", T, F, F),
        ("TFU", T, U, F),
        ("TUU", T, U, U),
        ("FFF", F, F, F),
        ("FFU", U, F, F),
        ("FUU", U, U, F),
        ("UUU", U, U, U),
    ],
)
def test_at_least_one_two_and_three_of_three(parts: str, one: Truth, two: Truth, three: Truth) -> None:
    a, b, c = ({"T": T, "F": F, "U": U}[letter] for letter in parts)

    for count, expected in ((1, one), (2, two), (3, three)):
        assert truth(AtLeast(count, (A, B, C)), a=a, b=b, c=c) is expected
        assert truth(AtLeast(count, (A, B, C)), a=c, b=a, c=b) is expected


@pytest.mark.parametrize(
    ("low", "high", "at_least", "above", "at_most", "below"),
    [
        (9, 9, F, F, T, T),
        (10, 10, T, F, T, F),
        (11, 11, T, T, F, F),
        (9, 10, U, F, T, U),
        (10, 11, T, U, U, F),
        (9, 11, U, U, U, U),
        (-inf, 9, F, F, T, T),
        (11, inf, T, T, F, F),
        (-inf, inf, U, U, U, U),
    ],
)
def test_a_range_compared_with_ten(
    low: float, high: float, at_least: Truth, above: Truth, at_most: Truth, below: Truth
) -> None:
    answers = [Compare("n", how, 10).against({"n": (low, high)}) for how in Comparison]

    assert answers == [at_least, above, at_most, below]


@pytest.mark.parametrize("how", list(Comparison))
def test_a_number_that_is_not_known_compares_as_unknown(how: Comparison) -> None:
    assert Compare("n", how, 10).against({}) is U


def test_a_name_nobody_knows_is_unknown() -> None:
    assert truth(A) is U


def test_heads_read_heads_in_whatever_order_they_stand() -> None:
    heads: dict[str, Condition] = {"top": Not(Name("middle")), "middle": All((Name("low"), A)), "low": Unknown(B)}

    assert KleeneEvaluator(heads).run({"a": T}, {}) == {"top": F, "middle": T, "low": T}


def test_a_head_is_its_condition_whatever_a_statement_of_that_name_says() -> None:
    assert KleeneEvaluator({"h": A, "i": Name("h")}).run({"a": F, "h": T}, {}) == {"h": F, "i": F}
