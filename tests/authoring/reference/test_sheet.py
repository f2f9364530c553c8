"""What a person reads of a rule file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds.authoring.reference.export import read_rule_reference
from cds.authoring.reference.rule_page import RulePage, rule_pages
from cds.authoring.reference.wording import ConditionWording
from cds.authoring.testing.cases import read_rule_tests
from cds.rulebook.loader import read_rulebook
from cds.rulebook.lock import lock_text
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules

TEST = "depression/anything.test.yaml"
OTHER = "depression/other.yaml"
READER = """\
about:
  id: other
  title: Reads the first
  version: 1.0.0
  status: draft
  purpose: To read.
  limits: Invented.
  owners: [tests]
  reviewed: {date: 2025-01-01, by: Dr Invented, next: 2026-01-01}
conclusions:
  doubtful:
    label: Doubtful
    any:
      - {possibly: symptomatic}
      - {unknown: {not: resistant}}
      - {at_least: 1, of: [depression, resistant]}
      - {score: {between: [low_score, 9]}}
"""
CASES = """\
today: 2025-06-01
patients:
  anna: {age: 46, conditions: [{code: F32.0, onset: 2025-01-10}]}
tests:
  - {name: "She has <no> score", given: anna, then: {symptomatic: unknown}}
  - {name: Nothing is shown, given: anna, then: {no_cards: true}}
"""


def read(folder: Path, files: dict[str, str]) -> dict[str, RulePage]:
    book = read_rulebook(write_rules(folder, files))
    assert book.problems == []
    return {sheet.id: sheet for sheet in rule_pages(book, read_rule_tests(folder, book))}


def test_a_condition_reads_as_nested_words_with_labels_values_and_units(tmp_path: Path) -> None:
    made = read(tmp_path, {**GOOD, OTHER: READER})

    (resistant, symptomatic) = made["depression"].conclusions
    assert resistant.when == ConditionWording(
        "all of",
        (
            ConditionWording("depression"),
            ConditionWording("age: at least 18 years"),
            ConditionWording("failed_trials: at least 2 trials"),
        ),
    )
    assert symptomatic.when == ConditionWording("score: at least 10")
    assert made["other"].conclusions[0].when == ConditionWording(
        "any of",
        (
            ConditionWording("cannot be ruled out: Symptomatic"),
            ConditionWording("unknown whether: not: Resistant"),
            ConditionWording("at least 1 of", (ConditionWording("depression"), ConditionWording("Resistant"))),
            ConditionWording("score: from 5 to 9"),
        ),
    )


def test_a_case_proves_the_file_whose_conclusion_it_claims_wherever_it_stands(tmp_path: Path) -> None:
    made = read(tmp_path, {**GOOD, OTHER: READER, TEST: CASES})

    assert [(proof.sentence, proof.file, proof.line) for proof in made["depression"].proofs] == [
        ("She has <no> score", TEST, 5)
    ]
    assert made["other"].proofs == ()


def test_the_diagram_leads_from_what_is_read_to_what_reads_it_across_files(tmp_path: Path) -> None:
    made = read(tmp_path, {**GOOD, OTHER: READER})

    links = made["depression"].links
    assert ("fact:trials", "fact:failed_trials") in links
    assert ("conclusion:resistant", "card:suggest") in links
    assert ("conclusion:resistant", "to:other") in links
    assert ("from:depression", "conclusion:doubtful") in made["other"].links
    for sheet in made.values():
        assert {end for link in sheet.links for end in link} <= {node.id for node in sheet.nodes}


def test_a_sheet_says_who_reviewed_and_what_differs_from_the_lock(tmp_path: Path) -> None:
    folder = write_rules(tmp_path, {**GOOD, OTHER: READER})
    (folder / "rules.lock").write_text(lock_text(read_rulebook(folder)))
    (folder / RULE).write_text(changed(GOOD[RULE], "high_score: {value: 10", "high_score: {value: 11"))
    by_id = {sheet.id: sheet for sheet in read_rule_reference(folder).files}

    assert by_id["depression"].reviewed == ""
    assert by_id["other"].reviewed == "Dr Invented"
    assert "its version is still 1.0.0" in by_id["depression"].lock[0]
    assert by_id["other"].lock == ()
    assert by_id["other"].locked


@pytest.mark.parametrize("files", [GOOD, {**GOOD, TEST: CASES}])
def test_the_number_of_cases_is_said_with_the_sheets(files: dict[str, str], tmp_path: Path) -> None:
    made = read_rule_reference(write_rules(tmp_path, files))

    assert made.cases == (2 if TEST in files else 0)
    assert made.version == read_rulebook(tmp_path).digest[:12]


def test_mistakes_in_files_are_said_and_the_others_are_shown(tmp_path: Path) -> None:
    made = read_rule_reference(write_rules(tmp_path, {**GOOD, OTHER: READER.replace("title:", "titel:")}))

    assert [sheet.id for sheet in made.files] == ["depression"]
    assert any("titel" in problem for problem in made.problems)
