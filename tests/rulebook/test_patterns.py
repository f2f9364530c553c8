"""Patterns: keys that several facts share, written once; a fact is what it would be with them written out."""

from __future__ import annotations

from pathlib import Path

from cds.authoring.reference.rule_page import rule_pages
from cds.authoring.testing.cases import RuleTests
from cds.rulebook.fingerprint import digests
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules

SCORE = "    find: score\n    coded: score-codes\n"


def test_a_fact_is_what_it_would_be_with_its_pattern_written_out(tmp_path: Path) -> None:
    assert SCORE in GOOD[RULE]
    short = changed(GOOD[RULE], SCORE, "    like: total\n")
    short = changed(short, "facts:\n", "patterns:\n  total:\n    find: score\n    coded: score-codes\n\nfacts:\n")
    long, shorter = (read_rulebook(write_rules(tmp_path / name, {**GOOD, RULE: text})) for name, text in (
        ("long", GOOD[RULE]), ("short", short),
    ))  # fmt: skip

    assert check(shorter, today=TODAY) == check(long, today=TODAY)
    assert digests(shorter) == digests(long)
    pages = [[page.facts for page in rule_pages(book, RuleTests(book.root))] for book in (long, shorter)]
    assert pages[0] == pages[1]
    assert "one of: Score (1 code" in str(pages[1])


def test_what_a_fact_says_itself_comes_before_its_pattern(tmp_path: Path) -> None:
    text = changed(GOOD[RULE], SCORE, SCORE + "    like: total\n")
    text = changed(text, "facts:\n", "patterns:\n  total:\n    coded: another-set\n    take: lowest\n\nfacts:\n")
    book = read_rulebook(write_rules(tmp_path, {**GOOD, RULE: text}))

    (fact,) = [spec for rule in book.rules.values() for spec in rule.model.facts.values() if spec.like]
    assert getattr(fact, "coded") == "score-codes" and getattr(fact, "take") == "lowest"  # noqa: B009


def problems(tmp_path: Path, pattern: str, like: str = "total") -> list[tuple[str, str, str]]:
    text = changed(GOOD[RULE], SCORE, f"    like: {like}\n")
    text = changed(text, "facts:\n", f"patterns:\n  total:\n{pattern}\nfacts:\n")
    found = check(read_rulebook(write_rules(tmp_path, {**GOOD, RULE: text})), today=TODAY)
    lines = text.split("\n")
    return [(one.check, lines[one.line - 1].strip(), one.fix) for one in found if one.file.endswith(RULE)]


def test_a_mistake_in_a_pattern_is_told_once_where_it_is(tmp_path: Path) -> None:
    assert problems(tmp_path, "    find: scor\n    coded: score-codes\n") == [
        ("unknown-kind", "find: scor", "Did you mean `score`?")
    ]


def test_a_pattern_there_is_not_is_one_mistake_with_the_nearest_name(tmp_path: Path) -> None:
    assert problems(tmp_path, "    find: score\n    coded: score-codes\n", "totl") == [
        ("unknown-name", "like: totl", "Did you mean `total`?")
    ]


def test_what_is_each_facts_own_is_not_in_a_pattern(tmp_path: Path) -> None:
    found = problems(tmp_path, "    label: Total\n    find: score\n    coded: score-codes\n")

    assert found == [("wrong-form", "label: Total", "Write it at the facts.")]


def test_a_pattern_that_no_fact_is_like_is_told(tmp_path: Path) -> None:
    text = changed(GOOD[RULE], "facts:\n", "patterns:\n  total:\n    find: score\n\nfacts:\n")
    found = check(read_rulebook(write_rules(tmp_path, {**GOOD, RULE: text})), today=TODAY)

    assert [one.check for one in found] == ["unused-pattern"]
