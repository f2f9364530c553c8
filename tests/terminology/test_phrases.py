"""Words of value sets in texts: phrases, parts of compounds, abbreviations, and what takes them back."""

from __future__ import annotations

import pytest

from cds.terminology.phrases import PhraseIndex, WordGroup, words_of

ENGLISH = WordGroup(
    ("heart attack", "wants to end her life", "attack", "not in remission"), ("MI",), ("in remission", "panic attack")
)
GERMAN = WordGroup(("suizid*", "*aneurysma", "Größe"), language="de")
VAGUE = WordGroup(("overdose",), certain=False)
INDEX = PhraseIndex((("event", ENGLISH), ("sign", GERMAN), ("event", VAGUE)))


def found(text: str) -> list[tuple[int, int, str]]:
    return [(one.start, one.end, one.value_set) for one in INDEX.find(text)]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Heart attack 2019", [(0, 2, "event"), (1, 2, "event")]),
        ("She wants to end her life.", [(1, 6, "event")]),
        ("wants to end the life", []),
        ("Suizidgedanken, akut", [(0, 1, "sign")]),
        ("kein Suizid", [(1, 2, "sign")]),
        ("Bauchaortenaneurysma", [(0, 1, "sign")]),
        ("Aneurysmablutung", []),
        ("GROSSE", [(0, 1, "sign")]),
        ("gro\u0308ße", [(0, 1, "sign")]),
        ("acute MI", [(1, 2, "event")]),
        ("do re mi", []),
        ("ÄLTERER MI", [(1, 2, "event")]),
        ("", []),
        ("12.5 %", []),
    ],
)
def test_words_are_found_where_they_stand(text: str, places: list[tuple[int, int, str]]) -> None:
    assert found(text) == places


@pytest.mark.parametrize(
    ("text", "taken"),
    [("Heart attack, in remission", True), ("Heart attack, not in remission", False), ("panic attack", True)],
)
def test_what_takes_words_back_does_not_where_it_is_a_part_of_them(text: str, taken: bool) -> None:
    assert (found(text) == []) is taken


def test_words_that_take_back_their_own_group_leave_the_others() -> None:
    assert found("Suizid in remission") == [(0, 1, "sign")]


def test_a_group_says_its_language_and_whether_it_is_certain() -> None:
    (one,) = INDEX.find("overdose")

    assert one.group is VAGUE
    assert not one.group.certain
    assert [one.group.language for one in INDEX.find("Suizid")] == ["de"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sertraline 100 mg", ("sertraline", "mg")),
        ("DEPRESIÓN", ("depresion",)),
        ("l'anévrisme", ("l", "anevrisme")),
        ("œdème", ("oedeme",)),
        ("straße", ("strasse",)),
    ],
)
def test_words_are_compared_without_case_accents_and_digits(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words
