"""Which truths a condition can have, by the way it is written; compared with every answer there is."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cds.authoring.testing.possible_truths import Possible
from cds.facts.kind import Numbers
from cds.logic.truth import Truth
from cds.rulebook.compile import compile_condition
from cds.rulebook.format.conditions import Statement
from cds.rulebook.loader import Rulebook, read_rulebook

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
STATEMENT: TypeAdapter[Any] = TypeAdapter(Statement)

MORE = """
  drug_allergy: {find: allergy, coded: ketamine-substances, if_none_found: unknown, because: Seldom written down.}
  other_allergy: {find: allergy, possibly_coded: ketamine-substances, if_none_found: false, because: None.}
  thoughts: {find: answer, coded: phq-9-item-9, answered: phq-9-items, if_none_found: unknown, because: Not asked.}
  unclear: {trace_of: [major_depression]}
  died: {find: deceased}
"""
CONCLUSIONS = """
  told: {label: Told, any: [{unknown: major_depression}, died]}
  follows: {label: Follows, all: [told, {not: unclear}]}
"""


@pytest.fixture
def book(rules_folder: Path) -> Rulebook:
    rule = rules_folder / "depression" / "depression.yaml"
    text = rule.read_text().replace("conclusions:\n", MORE.lstrip("\n") + "conclusions:\n")
    rule.write_text(text.replace("services:\n", CONCLUSIONS.lstrip("\n") + "services:\n"))
    read = read_rulebook(rules_folder)
    assert read.problems == []
    return read


def truths(book: Rulebook, statement: Any) -> set[Truth]:
    return set(Possible(book).of(STATEMENT.validate_python(statement)))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("major_depression", {T, F, U}),
        ("drug_allergy", {T, U}),
        ("other_allergy", {F, U}),
        ("thoughts", {T, F, U}),
        ("unclear", {T, F}),
        ("died", {T, F}),
        ("told", {T, F}),
        ("follows", {T, F}),
        ({"phq9": {"at_least": "high_score"}}, {T, F, U}),
        ({"not": "drug_allergy"}, {F, U}),
        ({"unknown": "major_depression"}, {T, F}),
        ({"unknown": "unclear"}, {F}),
        ({"possibly": "drug_allergy"}, {T}),
        ({"any": [{"not": "thoughts"}, {"unknown": "thoughts"}]}, {T, F}),
        ({"any": ["thoughts", {"unknown": "thoughts"}]}, {T, F}),
        ({"all": ["thoughts", {"not": "thoughts"}]}, {F, U}),
        ({"all": ["other_allergy", "major_depression"]}, {F, U}),
        ({"at_least": 2, "of": ["died", "unclear", "told"]}, {T, F}),
    ],
)
def test_only_the_truths_that_can_come_out_are_asked_for(book: Rulebook, statement: Any, expected: set[Truth]) -> None:
    assert truths(book, statement) == expected


def test_the_names_that_are_never_unknown_are_told(book: Rulebook) -> None:
    assert Possible(book).never_unknown() == {"unclear", "died", "told", "follows"}


NAMES = [f"name_{number}" for number in range(8)]
CONDITIONS = st.recursive(
    st.sampled_from(NAMES),
    lambda inside: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inside, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"any": st.lists(inside, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"not": inside}),
        st.fixed_dictionaries({"unknown": inside}),
        st.fixed_dictionaries({"possibly": inside}),
        st.fixed_dictionaries({"at_least": st.just(2), "of": st.lists(inside, min_size=2, max_size=3)}),
    ),
    max_leaves=8,
)


@given(CONDITIONS, st.lists(st.sampled_from(list(Truth)), min_size=8, max_size=8))
def test_no_answer_ever_comes_out_that_was_not_expected(written: Any, answers: list[Truth]) -> None:
    statement = STATEMENT.validate_python(written)
    condition = compile_condition(statement, Numbers({}), {})

    came_out = condition.truth(dict(zip(NAMES, answers, strict=True)).__getitem__, {})

    assert came_out in Possible(Rulebook(Path())).of(statement)


@pytest.mark.parametrize("names", [3, 5])
def test_of_few_names_every_truth_that_is_expected_comes_out(names: int) -> None:
    statement = STATEMENT.validate_python({"any": [{"not": name} for name in NAMES[:names]]})
    condition = compile_condition(statement, Numbers({}), {})

    tried = (dict(zip(NAMES, answers, strict=False)) for answers in product(Truth, repeat=names))

    assert Possible(Rulebook(Path())).of(statement) == {condition.truth(one.__getitem__, {}) for one in tried}
