"""What the cases show of every conclusion, clause, limit, card and note; as a table, a page and JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.coverage import Coverage, counts, never_shown
from cds.authoring.testing.coverage_html import coverage_page
from cds.authoring.testing.coverage_text import gaps
from cds.authoring.testing.junit import junit
from cds.authoring.testing.report import run_folder
from cds.logic.truth import Truth

Read = Callable[..., RuleTests]

TESTS = """
today: 2026-06-01
patients:
  depressed: {age: 18, conditions: [major-depressive-disorder], scores: [{phq-9-total: 12, at: 2026-05-20}]}
tests:
  - {name: "An adult <counts> & is shown", given: depressed, then: {depressed_adult: true, shows: [say_so]}}
  - {name: A child does not, given: depressed, but: {age: 11}, then: {depressed_adult: false, no_cards: true}}
  - {name: Nobody says what follows, given: depressed, but: {not_sent: [conditions]}, then: {age: 18}}
"""


@pytest.fixture
def covered(rule_tests: Read, rules_folder: Path) -> Coverage:
    rule_tests(TESTS)
    return run_folder(rules_folder, clauses=True).coverage


def test_an_answer_counts_when_a_case_claims_it_and_not_when_it_only_came_out(covered: Coverage) -> None:
    concluded = covered.conclusions["depressed_adult"]

    assert concluded.seen == set(Truth)
    assert concluded.claimed == {Truth.TRUE, Truth.FALSE}
    assert [line.partition("  ")[2] for line in never_shown(covered)] == [
        "no case says that depressed_adult is unknown."
    ]


def test_each_part_of_a_condition_is_seen_true_false_and_unknown(covered: Coverage) -> None:
    clauses = {(clause.of, clause.words): clause for clause in covered.clauses}

    assert clauses["depressed_adult", "`major_depression`"].missing == (Truth.FALSE,)
    assert clauses["depressed_adult", "`age` at least adult_from"].missing == (Truth.UNKNOWN,)
    assert clauses["card say_so", "`depressed_adult`"].missing == ()


def test_both_sides_of_a_limit_and_the_numbers_nearest_to_it_are_known(covered: Coverage) -> None:
    limits = {limit.words: (limit.below, limit.above) for clause in covered.clauses for limit in clause.limits}

    assert limits == {"`age` at least adult_from": (11, 18), "`phq9` at least high_score": (None, 12)}


def case(name: str, but: str, more: str = "") -> str:
    return f"  - {{name: {name}, given: depressed, but: {{{but}}}, then: {{major_depression: true}}{more}}}\n"


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("{above: high_score}", [("at or below", 10), ("above", 12)]),
        ("{at_most: high_score}", [("at or below", 10), ("above", 12)]),
        ("{at_least: high_score}", [("below", 9), ("at or above", 10)]),
        ("{below: high_score}", [("below", 9), ("at or above", 10)]),
        ("{between: [high_score, very_high]}", [("below", 9), ("at or above", 10), ("at or below", 10), ("above", 12)]),
    ],
)
def test_a_number_that_is_the_limit_is_on_the_side_where_the_comparison_puts_it(
    rule_tests: Read, rules_folder: Path, comparison: str, expected: list[tuple[str, float]]
) -> None:
    rule = rules_folder / "depression" / "depression.yaml"
    more = 'parameters:\n  very_high: {value: 11, unit: "{score}"}\n'
    text = rule.read_text().replace("parameters:\n", more)
    rule.write_text(text.replace("{at_least: high_score}", comparison))
    cases = [case(f"A score of {score}", f"scores.0.phq-9-total: {score}") for score in (8, 9, 10, 12, 13)]
    rule_tests(TESTS.partition("tests:\n")[0] + "tests:\n" + "".join(cases))

    clauses = run_folder(rules_folder, clauses=True).coverage.clauses

    sides = [side for clause in clauses if "phq9" in clause.words for limit in clause.limits for side in limit.sides]
    assert sides == expected


def test_a_range_counts_where_it_lies_whole_on_one_side_and_a_limit_of_a_case_alone_does_not(
    rule_tests: Read, rules_folder: Path
) -> None:
    cases = [
        case("Born in a year that makes it 20 or 21", 'age: null, birth_date: "2005"'),
        case("Born in a year that leaves it open", 'age: null, birth_date: "2008"'),
        case("A child by another limit", "age: 14", ", with: {adult_from: 13}"),
    ]
    rule_tests(TESTS.partition("tests:\n")[0] + "tests:\n" + "".join(cases))

    clauses = run_folder(rules_folder, clauses=True).coverage.clauses

    sides = [side for clause in clauses if "age" in clause.words for limit in clause.limits for side in limit.sides]
    assert sides == [("below", None), ("at or above", 20)]


def test_cards_and_notes_are_shown_and_not(covered: Coverage) -> None:
    assert covered.cards["say_so"].seen == {True, False}
    assert covered.notes["say_so", 1].seen == {True}


def test_the_gaps_are_listed_with_their_line_and_counted_by_file(covered: Coverage, rules_folder: Path) -> None:
    rule = rules_folder / "depression" / "depression.yaml"
    found = list(gaps(covered))

    line = rule.read_text().split("\n").index("    all: [{age: {at_least: adult_from}}, major_depression]") + 1
    assert f"{rule}:{line}  in depressed_adult, `major_depression` is never false." in found
    assert any("no number below the limit of `phq9` at least high_score" in gap for gap in found)
    assert any("note 1 of card say_so is never left out" in gap for gap in found)
    assert astuple(counts(covered)[str(rule)]) == ((2, 3), (11, 15), (3, 4), (2, 2), (1, 2))


def test_the_page_shows_every_line_with_its_marks_and_loads_nothing(covered: Coverage, rules_folder: Path) -> None:
    rule = rules_folder / "depression" / "depression.yaml"
    rule.write_text(rule.read_text().replace("summary: An adult", "summary: <script>alert(1)</script> An adult"))

    page = coverage_page(covered, rules_folder, passed=3, failed=0)

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="(?!#)|url\(|@import', page)
    assert 'title="`major_depression` is never false"' in page
    assert 'title="`age` at least adult_from: 11 is the nearest number below the limit"' in page
    assert all(f">{number}</span>" in page for number in range(1, len(rule.read_text().splitlines()) + 1))


def test_junit_has_a_suite_for_each_file_and_the_reasons_of_a_failing_case(
    rule_tests: Read, rules_folder: Path
) -> None:
    rule_tests(TESTS.replace("then: {age: 18}", "then: {depressed_adult: true}"))

    root = Xml.fromstring(junit(run_folder(rules_folder).verdicts))  # noqa: S314 (our own text)

    (suite,) = root
    assert suite.attrib == {
        "name": str(rules_folder / "depression" / "depression.test.yaml"),
        "tests": "3",
        "failures": "1",
    }
    assert [case.attrib["name"] for case in suite] == [
        "An adult <counts> & is shown",
        "A child does not",
        "Nobody says what follows",
    ]
    (failure,) = suite[2]
    assert failure.attrib["message"] == "depressed_adult: expected true, got unknown"
    assert "conditions" in str(failure.text).lower()
