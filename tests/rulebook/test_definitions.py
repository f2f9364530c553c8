"""Definitions: one conclusion under several sets of numbers, decided by the same conditions."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.facts.demographics import CompiledSetting
from cds.facts.kind import CompiledFact
from cds.facts.trials.count import CompiledCount
from cds.facts.trials.definition import CompiledAdherence
from cds.facts.trials.medication_trials import CompiledTrials
from cds.logic import conditions as c
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import CompiledRuleset, CopyOf
from cds.rulebook.lint.lint import check
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, book_of, changed

TODAY = date(2026, 6, 1)
NEAR_MISS = """
evidence:
  book: {cite: Invented, says: Invented., verified: false}
conclusions:
  near_miss:
    label: Met under their definition only
    all: [{not: resistant}, {definition: theirs}, {definition: ours}]
    evidence: [book]
"""


def program(folder: Path, *changes: tuple[str, str]) -> CompiledRuleset:
    text = GOOD[RULE]
    for old, new in changes:
        text = changed(text, old, new)
    book = book_of(folder, {**GOOD, RULE: text, OTHER: ANOTHER_FILE + NEAR_MISS})
    assert book.problems == []
    return compile_ruleset(book)


def wanted(made: CompiledRuleset, name: str) -> CompiledFact:
    return next(fact for fact in made.wanted if fact.name == name)


def days(made: CompiledRuleset, name: str) -> int:
    trials = wanted(made, name)
    assert isinstance(trials, CompiledTrials)
    return trials.adequate_days


def limits(made: CompiledRuleset, head: str) -> dict[str, float]:
    return {p.fact: p.limit for p in c.walk(made.heads[head].condition) if isinstance(p, c.Compare)}


def test_what_a_definition_changes_is_written_once_more_with_its_values(tmp_path: Path) -> None:
    made = program(tmp_path)

    assert days(made, "trials") == 42
    assert days(made, "trials__theirs") == 56
    assert limits(made, "resistant") == {"age": 18, "failed_trials": 2}
    assert limits(made, "resistant__theirs") == {"age": 18, "failed_trials__theirs": 1}


WORDS = (
    ("parameters:\n", """parameters:
  dose_column: {value: minimum, one_of: [minimum, strict_minimum], evidence: [book]}
  apart: {value: ingredient, one_of: [ingredient, drug_class], evidence: [book]}
  merged: {value: "no", one_of: ["no", "yes"], evidence: [book]}
  when_poor: {value: flags, one_of: [flags, vetoes, ignored], evidence: [book]}
  covered: {value: 80, unit: percent, evidence: [book]}
  partial_from: {value: 25, unit: percent, evidence: [book]}
"""),
    ("dose_reaches: minimum", "dose_reaches: dose_column"),
    ("    no_response_when:\n",
     "    adherence: {at_least: covered, when_poor: when_poor}\n    no_response_when:\n"),
    ("falls_less_than: response_drop\n",
     "falls_less_than: response_drop\n      partial_response: {from: partial_from, below: response_drop}\n"),
    ("that_are: [adequate, no_response]\n",
     "that_are: [adequate, no_response]\n    different: apart\n    merge_same_molecule: merged\n"),
    ("with: {adequate_duration: 8, trials_required: 1}",
     "with: {dose_column: strict_minimum, apart: drug_class, merged: \"yes\", when_poor: vetoes, covered: 75, "
     "partial_from: 20}"),
)  # fmt: skip


def test_every_word_and_number_of_a_trial_can_differ_between_definitions(tmp_path: Path) -> None:
    made = program(tmp_path, *WORDS)
    ours, theirs = wanted(made, "trials"), wanted(made, "trials__theirs")
    count, their_count = wanted(made, "failed_trials"), wanted(made, "failed_trials__theirs")

    assert isinstance(ours, CompiledTrials)
    assert isinstance(theirs, CompiledTrials)
    assert isinstance(count, CompiledCount)
    assert isinstance(their_count, CompiledCount)
    assert (ours.dose_column, theirs.dose_column) == ("minimum", "strict_minimum")
    assert (ours.adherence, theirs.adherence) == (CompiledAdherence(80, "flags"), CompiledAdherence(75, "vetoes"))
    assert (ours.no_response.partial, theirs.no_response.partial) == ((25, 50), (20, 50))
    assert (count.different, their_count.different) == ("ingredient", "drug_class")
    assert (count.merge_same_molecule, their_count.merge_same_molecule) == (False, True)


def test_what_no_definition_changes_is_shared(tmp_path: Path) -> None:
    made = program(tmp_path)

    names = {fact.name for fact in made.wanted}
    assert {name for name in names if "__" in name} == {"trials__theirs", "failed_trials__theirs"}
    assert made.copies.keys() >= {"trials__theirs", "failed_trials__theirs", "resistant__theirs"}
    assert "symptomatic__theirs" not in made.heads


def test_the_one_that_is_chosen_drives_the_plain_names_and_the_other_keeps_the_written_values(tmp_path: Path) -> None:
    made = program(tmp_path, ("standard: {value: ours", "standard: {value: theirs"))

    assert days(made, "trials") == 56
    assert limits(made, "resistant")["failed_trials"] == 1
    assert days(made, "trials__ours") == 42
    assert [(d.id, d.head, d.in_use) for d in made.definitions["resistant"]] == [
        ("ours", "resistant__ours", False),
        ("theirs", "resistant", True),
    ]


@pytest.mark.parametrize(
    ("chosen", "theirs", "ours"),
    [("ours", "resistant__theirs", "resistant"), ("theirs", "resistant", "resistant__ours")],
)
def test_a_condition_names_a_definition_whichever_is_chosen(
    tmp_path: Path, chosen: str, theirs: str, ours: str
) -> None:
    made = program(tmp_path, ("standard: {value: ours", f"standard: {{value: {chosen}"))

    assert made.heads["near_miss"].condition == c.All((c.Not(c.Name("resistant")), c.Name(theirs), c.Name(ours)))


def test_a_definition_that_changes_nothing_is_the_plain_conclusion(tmp_path: Path) -> None:
    made = program(tmp_path, ("      with: {adequate_duration: 8, trials_required: 1}\n", ""))

    assert {d.head for d in made.definitions["resistant"]} == {"resistant"}
    assert not made.copies


def test_a_setting_is_a_fact_that_a_definition_turns(tmp_path: Path) -> None:
    made = program(
        tmp_path,
        ("  failed_trials:\n    count", "  lenient:\n    find: setting\n    parameter: how\n    is_one_of: [kindly]\n"
         "  failed_trials:\n    count"),
        ("  standard: {", "  how: {value: strictly, one_of: [strictly, kindly], evidence: [book]}\n  standard: {"),
        ("      - depression\n", "      - {any: [depression, lenient]}\n"),
        ("with: {adequate_duration: 8,", "with: {how: kindly,"),
    )  # fmt: skip

    plain, theirs = wanted(made, "lenient"), wanted(made, "lenient__theirs")
    assert isinstance(plain, CompiledSetting) and isinstance(theirs, CompiledSetting)
    assert (plain.truth.value, plain.value) == ("false", "strictly")
    assert (theirs.truth.value, theirs.value) == ("true", "kindly")


def test_the_prefetch_of_a_card_covers_every_definition(tmp_path: Path) -> None:
    made = program(tmp_path)

    assert {p.key for p in made.services["small-service"].prefetch} >= {"medicationRequests", "conditions", "score"}


def test_an_authors_fact_cannot_be_replaced_by_a_copy(tmp_path: Path) -> None:
    text = changed(GOOD[RULE], "\n  failed_trials:", "\n  trials__theirs: {find: age, unit: years}\n  failed_trials:")
    book = book_of(tmp_path, {**GOOD, RULE: text, OTHER: ANOTHER_FILE + NEAR_MISS})

    (problem,) = [one for one in check(book, today=TODAY) if one.check == "name-reserved"]

    assert not problem.warning
    assert (problem.file, problem.fix) == (str(tmp_path / RULE), "Write `trials_theirs`.")


def test_a_copy_says_what_it_is_a_copy_of(tmp_path: Path) -> None:
    made = program(tmp_path)

    assert made.copies["trials__theirs"] == CopyOf("trials", "theirs")
    head = made.heads["resistant__theirs"]
    assert (head.of, head.definition, head.is_an_authors) == ("resistant", "theirs", False)
    assert made.heads["resistant"].is_an_authors
    assert made.known_as("resistant__theirs") == "resistant"
