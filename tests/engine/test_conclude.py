"""Two opinions, one answer; or none."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from cds.engine import durable as fence
from cds.engine.durable import available
from cds.engine.evaluator import DisagreementError, Evaluator, EvaluatorMode
from cds.engine.kleene import KleeneEvaluator
from cds.facts.fact import Fact, Facts
from cds.logic import clauses, conditions
from cds.logic.clauses import Literal
from cds.logic.conditions import All, Any, AtLeast, Compare, Comparison, Condition, Name, Not, Possibly, Unknown
from cds.logic.strata import Stratum, strata_of
from cds.logic.truth import Truth
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.rulebook.loader import read_rulebook

needs_engine = pytest.mark.skipif(not available(), reason="durable-rules does not run on this Python")

TYPES = {"Condition", "Ranges"}
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
HEADS: Mapping[str, Condition] = {
    "depressed": All((Name("diagnosis"), Compare("score", Comparison.AT_LEAST, 10))),
    "resistant": All((Name("depressed"), AtLeast(2, (Name("one"), Name("two"), Name("three"))))),
    "ask": Unknown(Name("resistant")),
    "careful": Any((Possibly(Name("pregnancy")), Not(Name("depressed")))),
}


def facts(score: tuple[float, float] | None = None, **statements: Truth) -> Facts:
    named = {name: Fact(name, name, truth=truth) for name, truth in statements.items()}
    low, high = score or (None, None)
    return Facts(named | {"score": Fact("score", "score", low=low, high=high)}, date(2025, 6, 1))


def altered(built: tuple[Stratum, ...], head: str, body: tuple[Literal, ...]) -> tuple[Stratum, ...]:
    """The same layers with the body of each clause for one head replaced."""
    return tuple(
        replace(stratum, clauses=tuple(replace(it, body=body) if it.head == head else it for it in stratum.clauses))
        for stratum in built
    )


@contextmanager
def reasoner(
    heads: Mapping[str, Condition] = HEADS,
    built: tuple[Stratum, ...] | None = None,
    mode: EvaluatorMode = EvaluatorMode.BOTH,
) -> Iterator[Evaluator]:
    with closing(Evaluator(heads, strata_of(heads) if built is None else built, mode)) as made:
        yield made


@pytest.fixture(scope="module")
def shipped() -> CompiledRuleset:
    return compile_ruleset(read_rulebook(Path(__file__).parents[2] / "rules"))


@pytest.mark.parametrize("mode", [pytest.param(EvaluatorMode.BOTH, marks=needs_engine), EvaluatorMode.DIRECT])
def test_every_conclusion_is_answered(mode: EvaluatorMode) -> None:
    known = facts((17, 17), diagnosis=T, one=T, two=U, three=F, pregnancy=F)

    with reasoner(mode=mode) as reasoning:
        assert reasoning.conclude(known) == {"depressed": T, "resistant": U, "ask": T, "careful": F}


@needs_engine
def test_a_broken_clause_brings_a_disagreement_and_never_an_answer() -> None:
    broken = altered(strata_of(HEADS), "depressed", (Literal("pregnancy", True),))
    known = facts((17, 17), diagnosis=T, pregnancy=F)

    with reasoner(built=broken) as reasoning, pytest.raises(DisagreementError) as raised:
        reasoning.conclude(known)

    assert raised.value.heads == {"depressed": (F, T), "careful": (T, F), "ask": (F, T), "resistant": (F, U)}
    assert str(raised.value) == (
        "the two opinions differ on ask: engine false, direct true, careful: engine true, direct false, "
        "depressed: engine false, direct true, resistant: engine false, direct unknown"
    )


@needs_engine
def test_the_wrong_answer_of_either_side_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with reasoner() as reasoning:
        monkeypatch.setattr(KleeneEvaluator, "run", lambda *_: dict.fromkeys(HEADS, T))
        with pytest.raises(DisagreementError):
            reasoning.conclude(facts())


@pytest.mark.parametrize("module", [fence, clauses])
def test_the_engine_borrows_no_logic_from_the_other_opinion(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())

    asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert asked.isdisjoint({"truth", "against"})
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"cds.logic.truth", "cds.logic.conditions"}:
            assert all(isinstance(vars(conditions).get(one.name), type) or one.name in TYPES for one in node.names)
        assert not (isinstance(node, ast.ImportFrom) and node.module == "cds.engine.kleene")


@needs_engine
def test_a_conclusion_no_clause_concludes_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="only one opinion"):
        Evaluator(HEADS, strata_of({"depressed": HEADS["depressed"]}))


def test_without_the_engine_both_opinions_are_refused_and_the_direct_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "durable", None)

    assert not available()
    with pytest.raises(RuntimeError, match="set the engine to `direct`"):
        Evaluator(HEADS, strata_of(HEADS), EvaluatorMode.BOTH)
    with reasoner(mode=EvaluatorMode.DIRECT) as reasoning:
        assert reasoning.conclude(facts((5, 5), diagnosis=T))["depressed"] is F


def cases(program: CompiledRuleset, number: int) -> list[Facts]:
    """Random answers to all that the shipped rules read."""
    from cds.logic.clauses import ComparisonLiteral as NumberTest

    bodies = [part for stratum in program.strata for clause in stratum.clauses for part in clause.body]
    limits: dict[str, set[float]] = {}
    for part in bodies:
        if isinstance(part, NumberTest):
            limits.setdefault(part.fact, set()).add(part.limit)
    names = sorted({part.name for part in bodies if not isinstance(part, NumberTest)})
    random = Random(7)  # noqa: S311 (no secret)
    found = []
    for _ in range(number):
        by_name = {name: Fact(name, name, truth=random.choice(list(Truth))) for name in names}
        for name, known in limits.items():
            values = [limit + step for limit in sorted(known) for step in (-1, 0, 1)]
            low, high = sorted((random.choice(values), random.choice(values)))
            unknown = random.random() < 0.3
            by_name[name] = Fact(name, name, low=None if unknown else low, high=None if unknown else high)
        found.append(Facts(by_name, date(2025, 6, 1)))
    return found


@pytest.mark.seconds
@needs_engine
def test_the_shipped_rules_are_decided_alike_whatever_is_known(shipped: CompiledRuleset) -> None:
    with reasoner({name: head.condition for name, head in shipped.heads.items()}, shipped.strata) as reasoning:
        answers = [reasoning.conclude(known) for known in cases(shipped, 1000)]

    assert {truth for answer in answers for truth in answer.values()} == set(Truth)


@pytest.mark.seconds
@needs_engine
def test_four_threads_answer_as_one_does(shipped: CompiledRuleset) -> None:
    all_cases = cases(shipped, 400)

    with reasoner({name: head.condition for name, head in shipped.heads.items()}, shipped.strata) as reasoning:
        one_by_one = [reasoning.conclude(known) for known in all_cases]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(reasoning.conclude, all_cases))

    assert together == one_by_one


@needs_engine
def test_a_closed_reasoner_gives_no_answer() -> None:
    with reasoner() as reasoning:
        reasoning.close()
        with pytest.raises(fence.EngineError):
            reasoning.conclude(facts())


@needs_engine
@pytest.mark.parametrize("group", [All, Any])
def test_a_long_group_is_decided_as_a_short_one_is(group: type[All] | type[Any]) -> None:
    names = [f"p{number}" for number in range(40)]
    heads: Mapping[str, Condition] = {"h": group(tuple(map(Name, names))), "i": Not(Name("h"))}

    with reasoner(heads) as reasoning:
        for most, other, at in ((T, T, 0), (F, F, 0), (T, F, 17), (F, T, 39), (T, U, 3), (F, U, 25)):
            known = facts(None, **{**dict.fromkeys(names, most), f"p{at}": other})
            assert (
                reasoning.conclude(known)["h"]
                is KleeneEvaluator(heads).run(
                    {name: fact.truth for name, fact in known.by_name.items() if fact.truth is not None}, {}
                )["h"]
            )
