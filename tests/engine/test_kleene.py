"""Laws of the two evaluators over random rule sets: they agree, more information never turns an answer round."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from math import inf
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds.engine.durable import DurableEvaluator, available
from cds.engine.kleene import KleeneEvaluator
from cds.logic.clauses import Clause
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
from cds.logic.strata import Stratum, strata_of
from cds.logic.truth import Truth

STATEMENTS = ("s1", "s2", "s3", "s4", "s5")
NUMBERS = ("n1", "n2", "n3")
LIMITS = (-2.5, 0.0, 0.1, 5.0, 17.0, 1e6)
VALUES = (*LIMITS, -inf, inf, -2.5000001, -2.4999999, 5e-05, 1e-9, 4.9999999, 5.0000001, 16.0, 1e16, -1e300)
MOST_HEADS = 6

needs_engine = pytest.mark.skipif(not available(), reason="durable-rules does not run on this Python")
often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Facts:
    statements: Mapping[str, Truth]
    ranges: Mapping[str, tuple[float, float]]


def conditions(names: tuple[str, ...], *, monotone: bool) -> st.SearchStrategy[Condition]:
    comparisons = st.builds(Compare, st.sampled_from(NUMBERS), st.sampled_from(Comparison), st.sampled_from(LIMITS))
    leaves = st.builds(Name, st.sampled_from(names)) | comparisons

    def nest(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        parts = st.lists(inner, min_size=1, max_size=4).map(tuple)
        some = parts.flatmap(lambda parts: st.builds(AtLeast, st.integers(1, len(parts)), st.just(parts)))
        nested = st.builds(All, parts) | st.builds(Any, parts) | st.builds(Not, inner) | some
        return nested if monotone else nested | st.builds(Unknown, inner) | st.builds(Possibly, inner)

    return st.recursive(leaves, nest, max_leaves=7)


@st.composite
def rule_sets(draw: st.DrawFn, *, monotone: bool = False) -> dict[str, Condition]:
    heads: dict[str, Condition] = {}
    for number in range(draw(st.integers(1, MOST_HEADS))):
        heads[f"h{number}"] = draw(conditions((*STATEMENTS, *heads), monotone=monotone))
    return heads


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    statements = draw(st.dictionaries(st.sampled_from(STATEMENTS), st.sampled_from(Truth)))
    pairs = st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)).map(lambda pair: (min(pair), max(pair)))
    return Facts(statements, draw(st.dictionaries(st.sampled_from(NUMBERS), pairs)))


def random_condition(random: Random, names: tuple[str, ...], depth: int) -> Condition:
    kind = random.choice("nnnccaaallyppukkoo"[: 5 if depth == 0 else None])
    inside = tuple(random_condition(random, names, depth - 1) for _ in range(random.randint(1, 4))) if depth else ()
    match kind:
        case "n":
            return Name(random.choice(names))
        case "c":
            return Compare(random.choice(NUMBERS), random.choice(list(Comparison)), random.choice(LIMITS))
        case "a":
            return All(inside)
        case "l" | "y":
            return Any(inside)
        case "p":
            return AtLeast(random.randint(1, len(inside)), inside)
        case "u":
            return Unknown(inside[0])
        case "k":
            return Possibly(inside[0])
        case _:
            return Not(inside[0])


def random_facts(random: Random) -> Facts:
    pairs = {name: sorted((random.choice(VALUES), random.choice(VALUES))) for name in NUMBERS if random.random() < 0.8}
    return Facts(
        {name: random.choice(list(Truth)) for name in STATEMENTS if random.random() < 0.9},
        {name: (low, high) for name, (low, high) in pairs.items()},
    )


def by_engine(built: tuple[Stratum, ...], known: Facts) -> dict[str, Truth]:
    with closing(DurableEvaluator(built)) as engine:
        return engine.run(known.statements, known.ranges)


@pytest.mark.seconds
@needs_engine
@often
@given(heads=rule_sets(), known=st.lists(facts(), min_size=3, max_size=3))
def test_the_engine_agrees_with_the_direct_evaluator(heads: dict[str, Condition], known: list[Facts]) -> None:
    direct = KleeneEvaluator(heads)

    with closing(DurableEvaluator(strata_of(heads))) as engine:
        for case in known:
            told = engine.run(case.statements, case.ranges)

            assert {name: told[name] for name in heads} == direct.run(case.statements, case.ranges)


@pytest.mark.seconds
@needs_engine
@pytest.mark.parametrize("seed", range(10))
def test_the_engine_agrees_with_the_direct_evaluator_on_many_larger_rule_sets(seed: int) -> None:
    random = Random(seed)  # noqa: S311 (no secret)
    for _ in range(250):
        heads: dict[str, Condition] = {}
        for number in range(random.randint(1, 15)):
            heads[f"h{number}"] = random_condition(random, (*STATEMENTS, *heads), depth=random.randint(0, 3))
        direct = KleeneEvaluator(heads)
        with closing(DurableEvaluator(strata_of(heads), most_remembered=number % 3)) as engine:
            for _ in range(4):
                case = random_facts(random)
                told = engine.run(case.statements, case.ranges)
                assert {name: told[name] for name in heads} == direct.run(case.statements, case.ranges), (heads, case)


@pytest.mark.seconds
@needs_engine
@often
@given(heads=rule_sets(), known=facts(), random=st.randoms(use_true_random=False))
def test_the_order_of_facts_and_clauses_never_matters(
    heads: dict[str, Condition], known: Facts, random: object
) -> None:
    def shuffled(items: list[Clause]) -> tuple[Clause, ...]:
        random.shuffle(items)  # type: ignore[attr-defined]
        return tuple(items)

    built = strata_of(heads)
    mixed = tuple(Stratum(shuffled(list(stratum.clauses)), stratum.heads) for stratum in built)
    backwards = Facts(dict(reversed([*known.statements.items()])), dict(reversed([*known.ranges.items()])))

    assert by_engine(mixed, backwards) == by_engine(built, known)
    assert KleeneEvaluator(dict(reversed([*heads.items()]))).run(
        backwards.statements, backwards.ranges
    ) == KleeneEvaluator(heads).run(known.statements, known.ranges)


@st.composite
def known_better(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """Facts, and the same with more of them known: statements settled, ranges narrowed or found."""
    less = draw(facts())
    statements = {
        name: draw(st.sampled_from(Truth)) if less.statements.get(name, Truth.UNKNOWN) is Truth.UNKNOWN else truth
        for name, truth in {**dict.fromkeys(STATEMENTS, Truth.UNKNOWN), **less.statements}.items()
    }
    ranges = {}
    for name in NUMBERS:
        low, high = less.ranges.get(name, (-inf, inf))
        inside = st.sampled_from([value for value in VALUES if low <= value <= high])
        one, other = draw(inside), draw(inside)
        ranges[name] = (min(one, other), max(one, other))
    return less, Facts(statements, ranges)


@pytest.mark.seconds
@often
@given(heads=rule_sets(monotone=True), both=known_better())
def test_more_information_never_changes_what_is_settled(heads: dict[str, Condition], both: tuple[Facts, Facts]) -> None:
    less, more = both
    before = KleeneEvaluator(heads).run(less.statements, less.ranges)
    after = KleeneEvaluator(heads).run(more.statements, more.ranges)

    assert {name: after[name] for name, truth in before.items() if truth is not Truth.UNKNOWN} == {
        name: truth for name, truth in before.items() if truth is not Truth.UNKNOWN
    }


@pytest.mark.seconds
@needs_engine
@often
@given(heads=rule_sets(monotone=True), both=known_better())
def test_more_information_never_changes_what_the_engine_settled(
    heads: dict[str, Condition], both: tuple[Facts, Facts]
) -> None:
    built = strata_of(heads)
    before, after = by_engine(built, both[0]), by_engine(built, both[1])

    settled = {name: truth for name, truth in before.items() if truth is not Truth.UNKNOWN}
    assert {name: after[name] for name in settled} == settled
