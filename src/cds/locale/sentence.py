"""
Sentences the program writes about a patient: English text that a catalog can say in another language.

The middle of the program knows no language: it makes sentences, and only what writes for a reader (cards, pages, JSON)
asks a catalog for them. A sentence is its English text, so that it compares, sorts and hashes as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any


class Sentence(str):
    """
    A text of ours.

    Attributes:
        message: English, as in the catalog, with `{names}` of its parts.
        other: The message for any number but one; "" where it has one form.
        parts: Name → what is put there: text of the chart, of a rule file, or another sentence.
        number: What chooses the form.
    """

    __slots__ = ("message", "number", "other", "parts")
    message: str
    other: str
    parts: Mapping[str, object]
    number: float

    def __new__(cls, message: str, parts: Mapping[str, object], other: str = "", number: float = 1) -> Sentence:
        """The sentence in English."""
        chosen = other if other and number != 1 else message
        made = str.__new__(cls, chosen.format(**parts) if parts else chosen)
        made.message, made.other, made.parts, made.number = message, other, parts, number
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, dict(self.parts), self.other, self.number)

    def __add__(self, text: str) -> str:
        return SentenceRow((self, text))

    def __radd__(self, text: str) -> str:
        return SentenceRow((text, self))


class SentenceRow(Sentence):
    """Texts one after the other, of which at least one is a sentence; `capital` where the row begins with one."""

    __slots__ = ("capital", "texts")
    texts: tuple[str, ...]
    capital: bool

    def __new__(cls, texts: Iterable[str], capital: bool = False) -> SentenceRow:
        """The texts in English."""
        known = tuple(texts)
        english = "".join(known)
        made = str.__new__(cls, capitalized(english) if capital else english)
        made.message, made.other, made.parts, made.number = "", "", {}, 1
        made.texts, made.capital = known, capital
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return SentenceRow, (self.texts, self.capital)


def say(message: str, /, **parts: object) -> str:
    """A sentence; `{names}` of the message are filled by the parts."""
    return Sentence(message, parts) if parts else _whole(message)


@cache
def _whole(message: str) -> Sentence:
    """A sentence without parts, made once: there are as many as the source has."""
    return Sentence(message, {})


def counted(one: str, other: str, number: float, /, **parts: object) -> str:
    """A sentence with a number: the form for one, or the other; `{number}` is the number."""
    return Sentence(one, {"number": f"{number:g}", **parts}, other, number)


def counted_again(sentence: str, number: float) -> str:
    """A sentence of `counted` with another number."""
    assert isinstance(sentence, Sentence)  # noqa: S101 (made by `counted`)
    if sentence.number == number:
        return sentence
    return Sentence(sentence.message, {**sentence.parts, "number": f"{number:g}"}, sentence.other, number)


def join_texts(separator: str, texts: Iterable[str]) -> str:
    """Texts with a separator between them; what is a sentence of them stays one."""
    known = list(texts)
    if not any(isinstance(text, Sentence) for text in known):
        return separator.join(known)
    between = [part for text in known for part in (separator, text)][1:]
    return known[0] if len(known) == 1 else SentenceRow(between)


def full_stop(text: str) -> str:
    """A text as a sentence of its own: with a capital letter and a full stop."""
    if not isinstance(text, Sentence):
        return f"{capitalized(text)}."
    return SentenceRow((text, "."), capital=True)


def capitalized(text: str) -> str:
    """A text with a capital letter first; the rest as it is."""
    return text[:1].upper() + text[1:]
