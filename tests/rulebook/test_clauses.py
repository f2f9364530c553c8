"""Conditions → clauses: what makes a head hold."""

from __future__ import annotations

import pytest

from cds.logic.clauses import MOST_PARTS, Among, Clause, ComparisonLiteral, Literal, compile_heads
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

A, B, C = Name("a"), Name("b"), Name("c")
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
Body = frozenset[object]


def bodies(condition: Condition, head: str = "h") -> set[Body]:
    return {frozenset(clause.body) for clause in compile_heads({"h": condition}) if clause.head == head}


def body(*parts: object) -> Body:
    return frozenset(parts)


def yes(name: str) -> Literal:
    return Literal(name, True)


def no(name: str) -> Literal:
    return Literal(name, False)


def among(name: str, *truths: Truth) -> Among:
    return Among(name, frozenset(truths))


def test_a_name_holds_with_what_it_names() -> None:
    assert bodies(A) == {body(yes("a"))}


def test_all_needs_every_part_also_of_a_group_inside() -> None:
    assert bodies(All((A, All((B, C))))) == {body(yes("a"), yes("b"), yes("c"))}


def test_any_needs_one_part_also_of_a_group_inside() -> None:
    assert bodies(Any((A, Any((B, All((B, C))))))) == {body(yes("a")), body(yes("b")), body(yes("b"), yes("c"))}


def test_not_holds_when_what_it_denies_is_false() -> None:
    assert bodies(Not(A)) == {body(no("a"))}
    assert bodies(Not(Not(A))) == {body(yes("a"))}


def test_not_of_a_group_reads_a_hidden_head() -> None:
    assert bodies(Not(Any((A, B)))) == {body(no("h~1"))}
    assert bodies(Not(Any((A, B))), "h~1") == {body(yes("a")), body(yes("b"))}


def test_at_least_two_of_three_needs_two() -> None:
    assert bodies(AtLeast(2, (A, B, C))) == {body(yes(x), yes(y)) for x, y in ("ab", "ac", "bc")}


def test_at_least_one_is_any_and_at_least_as_many_as_there_are_is_all() -> None:
    assert compile_heads({"h": AtLeast(1, (A, B, C))}) == compile_heads({"h": Any((A, B, C))})
    assert compile_heads({"h": AtLeast(3, (A, B, C))}) == compile_heads({"h": All((A, B, C))})


@pytest.mark.parametrize(
    ("how", "opposite"),
    [
        (Comparison.AT_LEAST, Comparison.BELOW),
        (Comparison.ABOVE, Comparison.AT_MOST),
        (Comparison.AT_MOST, Comparison.ABOVE),
        (Comparison.BELOW, Comparison.AT_LEAST),
    ],
)
def test_a_comparison_is_false_where_its_opposite_is_true(how: Comparison, opposite: Comparison) -> None:
    assert bodies(Compare("n", how, 10)) == {body(ComparisonLiteral("n", how, 10))}
    assert bodies(Not(Compare("n", how, 10))) == {body(ComparisonLiteral("n", opposite, 10))}


def test_what_is_said_of_the_unknown_is_never_open_itself() -> None:
    assert bodies(Unknown(A)) == {body(among("a", U))}
    assert bodies(Not(Unknown(A))) == {body(among("a", T, F))}
    assert bodies(Possibly(A)) == {body(among("a", T, U))}
    assert bodies(Not(Possibly(A))) == {body(among("a", F))}
    assert among("a", T, U).open == frozenset()
    assert (yes("a").sure, yes("a").open) == (frozenset({T}), frozenset({U}))
    assert (no("a").sure, no("a").open) == (frozenset({F}), frozenset({U}))


def test_unknown_of_a_comparison_reads_a_hidden_head() -> None:
    condition = Unknown(Compare("n", Comparison.AT_LEAST, 10))

    assert bodies(condition) == {body(among("h~1", U))}
    assert bodies(condition, "h~1") == {body(ComparisonLiteral("n", Comparison.AT_LEAST, 10))}


def test_a_nested_group_gets_one_hidden_head_however_often_it_is_used() -> None:
    clauses = compile_heads({"h": All((Any((A, B)), C)), "i": Not(Any((A, B)))})

    assert {clause.head for clause in clauses} == {"h", "h~1", "i"}
    assert Clause("i", (no("h~1"),)) in clauses


@pytest.mark.parametrize("number", [3 * MOST_PARTS, 3 * MOST_PARTS**2 + 1])
def test_a_long_group_is_nested_so_that_no_body_is_too_long_for_the_engine(number: int) -> None:
    parts = tuple(Name(f"p{at}") for at in range(number))

    clauses = compile_heads({"h": All(parts)})

    assert max(len(clause.body) for clause in clauses) == MOST_PARTS
    assert {part.name for clause in clauses for part in clause.body if isinstance(part, Literal)} >= {
        part.name for part in parts
    }


def test_no_body_is_empty_and_none_repeats_a_part() -> None:
    clauses = compile_heads({"h": All((A, A, Any((A, A)))), "i": AtLeast(2, (A, A, B))})

    assert all(clause.body and len(set(clause.body)) == len(clause.body) for clause in clauses)
    assert len(set(clauses)) == len(clauses)


@pytest.mark.parametrize("empty", [All(()), Any(()), AtLeast(1, ()), All((A, Any(())))])
def test_a_group_without_parts_is_refused(empty: Condition) -> None:
    with pytest.raises(ValueError, match="h"):
        compile_heads({"h": empty})


@pytest.mark.parametrize("count", [0, 4])
def test_at_least_what_is_always_or_never_true_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="always or never"):
        compile_heads({"h": AtLeast(count, (A, B, C))})


def test_at_least_with_too_many_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="nest it"):
        compile_heads({"h": AtLeast(6, tuple(Name(f"p{number}") for number in range(12)))})
