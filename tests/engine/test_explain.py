"""The tree of reasons, and what would settle what is unknown."""

from __future__ import annotations

from datetime import date

import pytest

from cds.engine.explain import Missing, Why, explain, lacking, missing
from cds.engine.kleene import KleeneEvaluator
from cds.facts.fact import Fact, Facts, FactSource, WhyUnknown
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
from cds.rulebook.compiled_ruleset import CompiledConclusion, EvidenceItem, RuleRef

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
RULE = RuleRef("r", "1.0.0", "Rule", "active", (), None, None, "", "")
PAPER = EvidenceItem("paper", "A paper", "", "says so", True)
AT_LEAST_10 = Compare("phq9", Comparison.AT_LEAST, 10, unit="{score}")
A, B, C = Name("a"), Name("b"), Name("c")


def statement(name: str, truth: Truth, *references: str, needs: tuple[str, ...] = ()) -> Fact:
    unknown = WhyUnknown.NOT_SENT if truth is U else None
    found = tuple(FactSource(reference) for reference in references)
    return Fact(
        name, name.upper(), truth=truth, because=f"because {name}", why_unknown=unknown, missing=needs, found=found
    )


def phq9(low: float | None = None, high: float | None = None, text: str = "") -> Fact:
    why = WhyUnknown.NOT_FOUND if low is None else None
    return Fact("phq9", "PHQ-9 total score", low=low, high=high, text=text, because="no score found", why_unknown=why)


class Answered:
    """Heads, the facts they were answered from, and the answers."""

    def __init__(self, *facts: Fact, **conditions: Condition) -> None:
        self.heads = {
            name: CompiledConclusion(name, name.capitalize(), condition, RULE, (PAPER,))
            for name, condition in conditions.items()
        }
        self.facts = Facts({fact.name: fact for fact in facts}, date(2025, 6, 1))
        self.truths = KleeneEvaluator(conditions).run(
            {fact.name: fact.truth for fact in facts if fact.truth is not None},
            {fact.name: (fact.low, fact.high) for fact in facts if fact.low is not None and fact.high is not None},
        )

    def why(self, name: str = "head") -> Why:
        return explain(name, self.heads, self.facts, self.truths)

    def missing(self, name: str = "head") -> tuple[Missing, ...]:
        return missing(name, self.heads, self.facts, self.truths)

    def what(self) -> list[str]:
        return [item.what for item in self.missing()]

    def could(self) -> dict[str, str]:
        return {item.fact: item.could_become for item in self.missing()}


# ---------------------------------------------------------------- the tree


def test_a_head_tells_its_label_its_answer_its_evidence_and_its_parts() -> None:
    why = Answered(statement("a", T, "Condition/1"), statement("b", F), head=All((A, B))).why()

    assert (why.name, why.label, why.words, why.truth, why.citations) == ("head", "Head", "Head", F, (PAPER,))
    assert [(child.words, child.truth, child.because) for child in why.children] == [
        ("A", T, "because a"),
        ("B", F, "because b"),
    ]


def test_of_a_tree_only_what_somebody_looks_at_is_made() -> None:
    looked: list[str] = []

    class Looked(dict[str, Fact]):
        def __getitem__(self, name: str) -> Fact:
            looked.append(name)
            return super().__getitem__(name)

    answered = Answered(statement("a", T), statement("b", F), low=All((A, B)), head=Any((Name("low"), Not(A))))
    answered.facts = Facts(Looked(answered.facts.by_name), date(2025, 6, 1))

    why = answered.why()
    assert looked == []
    (low, _) = why.children
    assert looked == ["a"]
    assert ([child.truth for child in low.children], low.children[1].label) == ([T, F], "B")
    assert looked == ["a", "a", "b"]


@pytest.mark.parametrize("group", [All((A, B)), Any((A, B)), AtLeast(2, (A, B))])
def test_the_parts_of_a_group_are_the_children_of_its_head(group: Condition) -> None:
    why = Answered(statement("a", T), statement("b", U), head=group).why()

    assert [child.name for child in why.children] == ["a", "b"]


@pytest.mark.parametrize("about", [Not, Unknown, Possibly])
def test_what_is_said_about_a_group_is_not_lost(about: type[Not] | type[Unknown] | type[Possibly]) -> None:
    why = Answered(statement("a", U), statement("b", U), head=about(Any((A, B)))).why()

    (child,) = why.children
    assert child.words in {"not: any of", "unknown whether: any of", "not ruled out: any of"}
    assert child.truth is why.truth


def test_a_nested_group_says_how_many_of_its_parts_it_asks_for() -> None:
    facts = [statement("a", T), statement("b", F), statement("c", U)]
    nested = (All((A, B)), Any((A, B)), AtLeast(2, (A, B, C)))

    why = Answered(*facts, head=All(nested)).why()

    assert [(child.words, child.truth) for child in why.children] == [
        ("all of", F),
        ("any of", T),
        ("at least 2 of", U),
    ]
    assert [len(child.children) for child in why.children] == [2, 2, 3]


def test_sources_are_references_each_once() -> None:
    why = Answered(statement("a", T, "Condition/2", "Condition/1", "Condition/2"), head=A).why()

    assert why.children[0].sources == ("Condition/1", "Condition/2")


def test_a_head_in_a_head_brings_its_own_tree() -> None:
    why = Answered(statement("a", T, "Condition/1"), low=A, head=All((Name("low"), A))).why()

    low = why.children[0]
    assert (low.name, low.label, low.citations, low.children[0].sources) == ("low", "Low", (PAPER,), ("Condition/1",))


def test_a_comparison_reads_as_a_sentence() -> None:
    why = Answered(phq9(17, 17, "17"), head=AT_LEAST_10).why()

    assert why.children[0].words == "PHQ-9 total score: 17 (requires ≥ 10)"
    assert why.children[0].truth is T


@pytest.mark.parametrize(
    ("how", "limit", "unit", "asked"),
    [
        (Comparison.ABOVE, 140, "mm[Hg]", "> 140 mmHg"),
        (Comparison.AT_MOST, 2.5, "mg", "≤ 2.5 mg"),
        (Comparison.BELOW, 65, "years", "< 65 years"),
        (Comparison.AT_LEAST, 1_000_000, "{score}", "≥ 1000000"),
    ],
)
def test_a_limit_reads_with_its_unit(how: Comparison, limit: float, unit: str, asked: str) -> None:
    why = Answered(phq9(), head=Compare("phq9", how, limit, unit=unit)).why()

    assert why.children[0].words == f"PHQ-9 total score: unknown (requires {asked})"
    assert (why.children[0].truth, why.children[0].why_unknown) == (U, WhyUnknown.NOT_FOUND)


def test_not_reads_as_not_and_keeps_the_fact_it_is_about() -> None:
    why = Answered(statement("a", T, "Condition/1"), head=Not(A)).why()

    (child,) = why.children
    assert (child.words, child.truth, child.name, child.label) == ("not: A", F, "a", "A")
    assert (child.because, child.sources) == ("because a", ("Condition/1",))


@pytest.mark.parametrize(("about", "words"), [(Unknown(A), "unknown whether: A"), (Possibly(A), "not ruled out: A")])
def test_unknown_and_possibly_keep_the_fact_they_are_about_with_its_own_truth(about: Condition, words: str) -> None:
    why = Answered(statement("a", U), head=about).why()

    (child,) = why.children
    assert (child.words, child.truth, child.name, child.label, child.because) == (words, T, "a", "A", "because a")
    assert [(inner.words, inner.truth) for inner in child.children] == [("A", U)]


# ---------------------------------------------------------------- what is missing


def test_nothing_is_missing_of_an_answer_that_is_settled() -> None:
    assert Answered(statement("a", U), statement("b", F), head=All((A, B))).missing() == ()


def test_a_fact_under_a_settled_branch_is_not_missing() -> None:
    facts = [statement("a", U), statement("b", T), statement("c", U), statement("d", F), statement("e", U)]

    answered = Answered(*facts, head=All((Any((A, B)), C, Not(All((Name("d"), Name("e")))))))

    assert answered.what() == ["C"]


def test_a_fact_under_unknown_or_possibly_is_not_missing() -> None:
    answered = Answered(statement("a", U), statement("b", U), head=All((Unknown(A), Possibly(A), B)))

    assert answered.what() == ["B"]


def test_missing_facts_stand_in_reading_order_each_once_where_it_is_read_first() -> None:
    facts = [statement("a", U), statement("b", U), statement("c", U)]

    assert Answered(*facts, head=All((B, A, Any((C, B))))).what() == ["B", "A", "C"]


def test_what_several_facts_miss_alike_is_told_once_where_it_is_read_first() -> None:
    facts = [
        statement("a", U, needs=("venlafaxine dose", "an end date")),
        statement("b", U, needs=("a score",)),
        statement("c", U, needs=("venlafaxine dose",)),
    ]

    found = Answered(*facts, head=All((A, B, C))).missing()

    assert [(item.fact, item.what) for item in found] == [
        ("a", "venlafaxine dose"),
        ("a", "an end date"),
        ("b", "a score"),
    ]
    assert (found[0].because, found[0].why_unknown, found[0].label) == ("because a", WhyUnknown.NOT_SENT, "A")


def test_a_fact_missing_in_a_head_below_is_missing_above() -> None:
    assert Answered(statement("a", U), low=Not(A), head=Any((Name("low"), A))).what() == ["A"]


def test_a_range_across_the_limit_is_missing_too() -> None:
    assert Answered(phq9(8, 12, "8 to 12"), head=AT_LEAST_10).what() == ["PHQ-9 total score"]


# ---------------------------------------------------------------- what it could become


def test_one_fact_alone_could_settle_it_either_way_one_way_or_not_at_all() -> None:
    facts = [statement("a", U), statement("b", U), statement("c", T)]

    assert Answered(*facts, head=All((A, C))).could() == {"a": "could make it true or false"}
    assert Answered(*facts, head=All((A, B))).could() == {"a": "could make it false", "b": "could make it false"}
    assert Answered(*facts, head=Any((A, B))).could() == {"a": "could make it true", "b": "could make it true"}
    assert Answered(*facts, head=Any((All((A, B)), Not(Any((A, B)))))).could()["a"] == "would not settle it alone"


@pytest.mark.parametrize(
    ("low", "high", "condition", "could"),
    [
        (None, None, AT_LEAST_10, "could make it true or false"),
        (8, 12, AT_LEAST_10, "could make it true or false"),
        (9.8, 10.2, AT_LEAST_10, "could make it true or false"),
        (float("-inf"), 12, AT_LEAST_10, "could make it true or false"),
        (8, 12, All((AT_LEAST_10, A)), "could make it false"),
        (8, 12, Any((AT_LEAST_10, A)), "could make it true"),
        (None, None, All((Compare("phq9", Comparison.ABOVE, 10), Compare("phq9", Comparison.BELOW, 11))),
         "could make it true or false"),
    ],
)  # fmt: skip
def test_a_number_could_turn_out_on_either_side_of_a_limit_within_what_is_known(
    low: float | None, high: float | None, condition: Condition, could: str
) -> None:
    assert Answered(phq9(low, high), statement("a", U), head=condition).could()["phq9"] == could


def test_what_heads_lack_is_what_is_missing_of_each_without_what_it_could_make_of_them() -> None:
    answered = Answered(
        statement("a", U, needs=("dose", "start")),
        statement("b", U, needs=("dose",)),
        statement("c", T),
        lower=Any((A, B)),
        upper=All((Name("lower"), B, C)),
        settled=Any((A, C)),
    )
    given = (answered.heads, answered.facts, answered.truths)

    found = lacking(answered.heads, *given)

    assert {name: [(one.fact.name, one.what) for one in many] for name, many in found.items()} == {
        name: [(one.fact, one.what) for one in missing(name, *given)] for name in ("lower", "upper")
    }
    assert [(one.fact.name, one.what) for one in found["upper"]] == [("a", "dose"), ("a", "start")]
