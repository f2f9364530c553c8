"""Conditions → clauses: what makes a head true, what makes it false."""

from __future__ import annotations

import pytest

from cds.rulebook.clauses import MOST_PARTS, Clause, Literal, Undecided, compile_heads
from cds.rulebook.clauses import Test as NumberTest
from cds.rulebook.conditions import (
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

A, B, C = Name("a"), Name("b"), Name("c")
Body = frozenset[object]


def bodies(condition: Condition, holds: bool, head: str = "h") -> set[Body]:
    return {frozenset(clause.body) for clause in compile_heads({"h": condition}) if clause.head == Literal(head, holds)}


def body(*parts: object) -> Body:
    return frozenset(parts)


def yes(name: str) -> Literal:
    return Literal(name, True)


def no(name: str) -> Literal:
    return Literal(name, False)


def test_a_name_is_true_or_false_with_what_it_names() -> None:
    assert bodies(A, True) == {body(yes("a"))}
    assert bodies(A, False) == {body(no("a"))}


def test_all_needs_every_part_to_be_true_and_one_to_be_false() -> None:
    assert bodies(All((A, B)), True) == {body(yes("a"), yes("b"))}
    assert bodies(All((A, B)), False) == {body(no("a")), body(no("b"))}


def test_any_needs_one_part_to_be_true_and_every_part_to_be_false() -> None:
    assert bodies(Any((A, B)), True) == {body(yes("a")), body(yes("b"))}
    assert bodies(Any((A, B)), False) == {body(no("a"), no("b"))}


def test_not_swaps_what_makes_it_true_and_false() -> None:
    assert bodies(Not(A), True) == {body(no("a"))}
    assert bodies(Not(A), False) == {body(yes("a"))}
    assert bodies(Not(Not(A)), True) == {body(yes("a"))}


def test_at_least_two_of_three_needs_two_of_either_kind() -> None:
    two = AtLeast(2, (A, B, C))

    assert bodies(two, True) == {body(yes(x), yes(y)) for x, y in ("ab", "ac", "bc")}
    assert bodies(two, False) == {body(no(x), no(y)) for x, y in ("ab", "ac", "bc")}


def test_at_least_one_is_any_and_at_least_as_many_as_there_are_is_all() -> None:
    assert compile_heads({"h": AtLeast(1, (A, B, C))}) == compile_heads({"h": Any((A, B, C))})
    assert compile_heads({"h": AtLeast(3, (A, B, C))}) == compile_heads({"h": All((A, B, C))})


@pytest.mark.parametrize(
    ("how", "true", "false"),
    [
        (Comparison.AT_LEAST, ("low", ">="), ("high", "<")),
        (Comparison.ABOVE, ("low", ">"), ("high", "<=")),
        (Comparison.AT_MOST, ("high", "<="), ("low", ">")),
        (Comparison.BELOW, ("high", "<"), ("low", ">=")),
    ],
)
def test_a_comparison_is_settled_by_the_end_of_the_range_that_can_settle_it(
    how: Comparison, true: tuple[str, str], false: tuple[str, str]
) -> None:
    condition = Compare("n", how, 10)

    assert bodies(condition, True) == {body(NumberTest("n", *true, 10))}
    assert bodies(condition, False) == {body(NumberTest("n", *false, 10))}


def test_unknown_is_true_of_what_is_undecided_and_false_of_what_is_settled_either_way() -> None:
    assert bodies(Unknown(A), True) == {body(Undecided("a"))}
    assert bodies(Unknown(A), False) == {body(yes("a")), body(no("a"))}


def test_possibly_is_false_only_of_what_is_false() -> None:
    assert bodies(Possibly(A), True) == {body(Undecided("a")), body(yes("a"))}
    assert bodies(Possibly(A), False) == {body(no("a"))}


def test_unknown_of_a_comparison_reads_a_hidden_head_since_a_number_cannot_be_undecided() -> None:
    condition = Unknown(Compare("n", Comparison.AT_LEAST, 10))

    assert bodies(condition, True) == {body(Undecided("h~1"))}
    assert bodies(condition, True, "h~1") == {body(NumberTest("n", "low", ">=", 10))}


def test_a_nested_group_gets_one_hidden_head_however_often_it_is_used() -> None:
    clauses = compile_heads({"h": All((Any((A, B)), C)), "i": Not(Any((A, B)))})

    assert {clause.head.name for clause in clauses} == {"h", "h~1", "i"}
    assert Clause(yes("i"), (no("h~1"),)) in clauses


@pytest.mark.parametrize("group", [All, Any])
def test_a_long_group_is_nested_so_that_no_body_is_too_long_for_the_engine(group: type[All] | type[Any]) -> None:
    parts = tuple(Name(f"p{number}") for number in range(3 * MOST_PARTS))

    clauses = compile_heads({"h": group(parts)})

    assert max(len(clause.body) for clause in clauses) == MOST_PARTS
    assert {part.name for clause in clauses for part in clause.body if isinstance(part, Literal)} >= {
        part.name for part in parts
    }


def test_no_body_is_empty_and_none_repeats_a_part() -> None:
    clauses = compile_heads({"h": All((A, A, Any((A, A)))), "i": AtLeast(2, (A, A, B))})

    assert all(clause.body and len(set(clause.body)) == len(clause.body) for clause in clauses)


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
