"""Clauses → layers: only reading "unknown" climbs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cds.rulebook.clauses import Literal, Undecided, compile_heads
from cds.rulebook.conditions import All, Any, Compare, Comparison, Condition, Name, Not, Possibly, Unknown
from cds.rulebook.strata import find_cycles, layers


def test_what_reads_no_unknown_is_one_layer_however_deep() -> None:
    (only,) = layers({"a": Name("fact"), "b": Not(Name("a")), "c": All((Name("b"), Any((Name("a"), Name("x")))))})

    assert only.heads == {"a", "b", "c", "c~1"}
    assert only.undecided == frozenset()


def test_reading_that_a_fact_is_unknown_stays_in_the_lowest_layer() -> None:
    (only,) = layers({"a": Unknown(Name("fact"))})

    assert only.undecided == {"fact"}


@pytest.mark.parametrize("reads", [Unknown, Possibly])
def test_reading_that_a_conclusion_is_unknown_climbs_one_layer(reads: type[Unknown] | type[Possibly]) -> None:
    low, high = layers({"asks": reads(Name("a")), "a": Name("fact")})

    assert low.heads == {"a"}
    assert high.heads == {"asks"}
    assert high.undecided == {"a"}


def test_unknown_of_a_group_or_a_comparison_climbs_over_its_hidden_head() -> None:
    low, high = layers({"a": Unknown(Compare("n", Comparison.BELOW, 3)), "b": Unknown(All((Name("x"), Name("y"))))})

    assert low.heads == {"a~1", "b~1"}
    assert high.undecided == {"a~1", "b~1"}


def test_each_layer_settles_what_it_reads_before_the_next_and_each_clause_stands_once() -> None:
    heads: dict[str, Condition] = {
        "a": Name("fact"),
        "b": Unknown(Name("a")),
        "c": Unknown(All((Name("b"), Unknown(Name("a"))))),
        "d": Any((Name("a"), Possibly(Name("c")))),
    }

    built = layers(heads)

    settled: set[str] = set()
    for layer in built:
        for clause in layer.clauses:
            for part in clause.body:
                if isinstance(part, Undecided):
                    assert part.name in settled
                elif isinstance(part, Literal):
                    assert part.name in settled | layer.heads | {"fact"}
        settled |= layer.heads
    assert sorted(map(repr, compile_heads(heads))) == sorted(repr(c) for layer in built for c in layer.clauses)


def test_no_heads_make_no_layers() -> None:
    assert layers({}) == ()


def test_conclusions_that_need_each_other_are_refused_with_their_circle() -> None:
    with pytest.raises(ValueError, match=r"a → b → a|b → a → b"):
        layers({"a": Name("b"), "b": Not(Name("a"))})


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


def test_the_same_circles_are_told_in_every_process() -> None:
    script = (
        "from cds.rulebook.strata import find_cycles; from cds.rulebook.conditions import All, Name;"
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
