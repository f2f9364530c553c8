"""Clauses → layers: whatever is read of a head is decided below."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cds.logic.clauses import ComparisonLiteral, compile_heads
from cds.logic.conditions import All, Any, Compare, Comparison, Condition, Name, Not, Possibly, Unknown
from cds.logic.strata import find_cycles, strata_of


def test_what_reads_facts_alone_is_one_layer() -> None:
    (only,) = strata_of({"a": Name("fact"), "b": Not(Unknown(Name("fact"))), "c": Compare("n", Comparison.BELOW, 3)})

    assert only.heads == {"a", "b", "c"}


@pytest.mark.parametrize("reads", [Name("a"), Not(Name("a")), Unknown(Name("a")), Possibly(Name("a"))])
def test_what_reads_a_conclusion_is_one_layer_above_it(reads: Condition) -> None:
    low, high = strata_of({"reads": All((Name("fact"), reads)), "a": Name("fact")})

    assert low.heads == {"a"}
    assert high.heads == {"reads"}


def test_what_reads_a_group_or_whether_a_number_is_known_is_above_its_hidden_head() -> None:
    low, high = strata_of({"a": Unknown(Compare("n", Comparison.BELOW, 3)), "b": Unknown(All((Name("x"), Name("y"))))})

    assert low.heads == {"a~1", "b~1"}
    assert high.heads == {"a", "b"}


def test_each_layer_settles_what_it_reads_before_the_next_and_each_clause_stands_once() -> None:
    heads: dict[str, Condition] = {
        "a": Name("fact"),
        "b": Unknown(Name("a")),
        "c": Unknown(All((Name("b"), Unknown(Name("a"))))),
        "d": Any((Name("a"), Possibly(Name("c")))),
    }

    built = strata_of(heads)

    settled = {"fact"}
    for layer in built:
        for clause in layer.clauses:
            assert {part.name for part in clause.body if not isinstance(part, ComparisonLiteral)} <= settled
        settled |= layer.heads
    assert sorted(map(repr, compile_heads(heads))) == sorted(repr(c) for layer in built for c in layer.clauses)


def test_no_heads_make_no_layers() -> None:
    assert strata_of({}) == ()


def test_conclusions_that_need_each_other_are_refused_with_their_circle() -> None:
    with pytest.raises(ValueError, match=r"a → b → a|b → a → b"):
        strata_of({"a": Name("b"), "b": Not(Name("a"))})


def test_a_circle_is_a_path_that_ends_where_it_began_each_needing_the_next() -> None:
    heads: dict[str, Condition] = {
        "a": Name("b"),
        "b": Any((Name("fact"), Unknown(Name("c")))),
        "c": Name("a"),
        "d": Name("a"),
    }

    (circle,) = find_cycles(heads)

    assert circle[0] == circle[-1]
    assert "".join(circle) in {"abca", "bcab", "cabc"}


def test_every_circle_is_found_one_that_names_itself_too() -> None:
    heads = {"a": Name("a"), "b": Name("c"), "c": Name("b"), "d": Name("b")}

    assert sorted(sorted(set(circle)) for circle in find_cycles(heads)) == [["a"], ["b", "c"]]


def test_rules_without_circles_have_none() -> None:
    assert find_cycles({"a": Name("b"), "b": Name("fact")}) == []


@pytest.mark.seconds
def test_the_same_circles_are_told_in_every_process() -> None:
    script = (
        "from cds.logic.strata import find_cycles; from cds.logic.conditions import All, Name;"
        "names = [f'n{i}' for i in range(8)];"
        "print(find_cycles({'top': All(tuple(map(Name, names)))} | {n: Name(n) for n in names}))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in "123"
    }

    assert len(told) == 1
