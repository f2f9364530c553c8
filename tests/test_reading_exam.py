"""The exam of tests/reading_exam.yaml: nothing a rule looks for is missed, and the docs say what became of each."""

from __future__ import annotations

from scripts.reading_table import PAGE, written
from tests.reading_exam import MISSED, outcome, questions


def test_nothing_a_rule_looks_for_is_read_as_no() -> None:
    assert [question.shown for question in questions() if outcome(question) == MISSED] == []


def test_there_are_a_hundred_phrases_and_fifty_codes_in_six_languages() -> None:
    languages = {question.language for question in questions()}

    assert languages == {"", "en", "de", "es", "fr", "nl", "sv"}
    assert sum(bool(question.language) for question in questions()) >= 100
    assert sum(not question.language for question in questions()) >= 50


def test_the_page_shows_what_became_of_each() -> None:
    """When this fails: `python scripts/reading_table.py`."""
    page = PAGE.read_text(encoding="utf-8")

    assert written(page) == page
