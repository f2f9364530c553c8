"""Words of value sets in a text: which phrase stands where. Pure; nothing a text says is kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
ASCII_WORD = re.compile(r"[a-z]+")  # the same, of a text in lower case without any other letters
LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})
STAR = "*"
SHORTEST_PART = 4
"""Letters of the shortest part of a word that can be looked for: parts are found by their first or last letters."""


def folded(text: str) -> str:
    """A text without case and accents, as words are compared: "Depresión" → depresion, "Größe" → grosse."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    return "".join([letter for letter in plain if not unicodedata.combining(letter)])


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text, folded, digits and punctuation dropped: "Sertraline 100 mg" → sertraline, mg."""
    if text.isascii():
        return tuple(ASCII_WORD.findall(text.lower()))
    return tuple(WORD.findall(folded(text)))


@dataclass(frozen=True, slots=True)
class WordGroup:
    """
    Words of one language from one source, that stand for one value set.

    Attributes:
        words: Phrases, as written; a single word may begin or end with a star, which stands for the rest of a longer
            word ("kardio*", "*itis").
        abbreviations: Whole words that are found only as they are written, in capitals.
        unless: Phrases that take the group's words back, in every language, unless they are part of one of them.
        certain: Whether they say so, or only suggest it.
        language: BCP-47 tag.
    """

    words: tuple[str, ...]
    abbreviations: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    certain: bool = True
    language: str = "en"


@dataclass(frozen=True, slots=True)
class FoundPhrase:
    """
    Words of a value set in a text.

    Attributes:
        start, end: From which word to before which, counted in `words_of` of the text.
        value_set: Name of the value set.
        group: The group the words are of.
    """

    start: int
    end: int
    value_set: str
    group: WordGroup

    @property
    def place(self) -> tuple[str, int, int]:
        """The value set and which words: the same for one word that stands in groups of two languages."""
        return self.value_set, self.start, self.end


_Owner = tuple[str, WordGroup]


@dataclass(frozen=True, slots=True)
class PhraseIndex:
    """Phrases of many value sets in one index: reading a text costs the same for any number of them."""

    groups: tuple[_Owner, ...]
    _phrases: dict[str, dict[tuple[str, ...], list[_Owner]]] = field(init=False, repr=False, default_factory=dict)
    _capitals: dict[str, list[_Owner]] = field(init=False, repr=False, default_factory=dict)
    _beginnings: dict[str, list[tuple[str, _Owner]]] = field(init=False, repr=False, default_factory=dict)
    _ends: dict[str, list[tuple[str, _Owner]]] = field(init=False, repr=False, default_factory=dict)
    _unless: dict[int, tuple[tuple[str, ...], ...]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for owner in self.groups:
            group = owner[1]
            for text in group.words:
                words = words_of(text)
                if not words:
                    continue
                if text.endswith(STAR):
                    self._beginnings.setdefault(words[0][:SHORTEST_PART], []).append((words[0], owner))
                elif text.startswith(STAR):
                    self._ends.setdefault(words[0][-SHORTEST_PART:], []).append((words[0], owner))
                else:
                    self._phrases.setdefault(words[0], {}).setdefault(words, []).append(owner)
            for text in group.abbreviations:
                self._capitals.setdefault(text, []).append(owner)
            if group.unless:
                self._unless[id(group)] = tuple(map(words_of, group.unless))

    def may_hold(self, words: Iterable[str]) -> bool:
        """Whether some phrase might stand among these words; false is sure, but for abbreviations."""
        phrases, beginnings, ends = self._phrases, self._beginnings, self._ends
        for word in words:
            if word in phrases or word[:SHORTEST_PART] in beginnings or word[-SHORTEST_PART:] in ends:
                return True
        return False

    def find(self, text: str) -> list[FoundPhrase]:
        """Every phrase of every set in a text, in the order of its words, without what `unless` takes back."""
        return self.find_with_exceptions(text)[0]

    def find_with_exceptions(self, text: str) -> tuple[list[FoundPhrase], frozenset[int]]:
        """The same, and the places of the words of each `unless` that took something back."""
        words = words_of(text)
        found = list(self._places(words)) if self.may_hold(words) else []
        if self._capitals and not text.islower():
            found.extend(self._abbreviated(text, words))
        if not found or not self._unless:
            return found, frozenset()
        by = {one.place: places for one in found if (places := self._taken_back(one, found, words))}
        return [one for one in found if one.place not in by], frozenset(at for places in by.values() for at in places)

    def _places(self, words: tuple[str, ...]) -> Iterator[FoundPhrase]:
        for start, word in enumerate(words):
            for phrase, owners in self._phrases.get(word, {}).items():
                end = start + len(phrase)
                if words[start:end] == phrase:
                    for name, group in owners:
                        yield FoundPhrase(start, end, name, group)
            for part, (name, group) in self._beginnings.get(word[:SHORTEST_PART], ()):
                if word.startswith(part):
                    yield FoundPhrase(start, start + 1, name, group)
            for part, (name, group) in self._ends.get(word[-SHORTEST_PART:], ()):
                if word.endswith(part):
                    yield FoundPhrase(start, start + 1, name, group)

    def _abbreviated(self, text: str, words: tuple[str, ...]) -> Iterator[FoundPhrase]:
        written = WORD.findall(text if text.isascii() else unicodedata.normalize("NFC", text))
        if len(written) != len(words):  # a letter that is folded into a sign of its own: no place can be told
            return
        for at, word in enumerate(written):
            for name, group in self._capitals.get(word, ()):
                yield FoundPhrase(at, at + 1, name, group)

    def _taken_back(self, one: FoundPhrase, found: list[FoundPhrase], words: tuple[str, ...]) -> range | None:
        """The places of the phrase that takes one back, if any does."""
        for phrase in self._unless.get(id(one.group), ()):
            length = len(phrase)
            for start in range(len(words) - length + 1):
                if words[start : start + length] == phrase and not any(
                    own.group is one.group and own.start <= start and start + length <= own.end for own in found
                ):
                    return range(start, start + length)
        return None
