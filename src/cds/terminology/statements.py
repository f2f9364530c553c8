"""
What a text says of the words found in it: that it is so, that it is not, of somebody else, of the past, or suspected.

The one place where negation, history, family and "rule out" are read, for every value set alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from cds.terminology.phrases import WORD, folded, words_of

BREAKS = re.compile(r"[;!?()\[\]|\n,:]|\.(?=\s|$)|\s[-\u2010-\u2015]+\s")
WEAK_BREAKS = re.compile(r"[,:]|\s[-\u2010-\u2015]+\s")
WORDS_BETWEEN = 3
"""Words that may stand between a cue and what it speaks of: "no acute or chronic pancreatitis" (project decision)."""
LONGEST_ABBREVIATION = 2  # letters before a full stop that ends no clause: "V. a."


class Meant(Enum):
    """How a text means words that stand in it."""

    SAID = "said"
    UNCERTAIN = "only suspected"
    PAST = "of the past"
    NEGATED = "said not to be so"
    FAMILY = "of somebody else"


OUTWEIGHS = (Meant.FAMILY, Meant.NEGATED, Meant.UNCERTAIN, Meant.PAST)
NOT_THIS_PATIENTS = frozenset({Meant.NEGATED, Meant.FAMILY})

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clauses:
    """The words of a text, the clause each stands in, and which clauses only a comma, colon or dash parts off."""

    words: tuple[str, ...]
    clause: tuple[int, ...]
    loosely: frozenset[int]

    @classmethod
    def of(cls, text: str) -> Clauses:
        """Cut a text at the marks that end a clause; the full stop of an abbreviation ends none."""
        plain = folded(text)
        words: list[str] = []
        clause: list[int] = []
        loosely: set[int] = set()
        number, last = 0, 0
        for found in WORD.finditer(plain):
            between = plain[last : found.start()]
            abbreviated = bool(words) and len(words[-1]) <= LONGEST_ABBREVIATION and between.strip() == "."
            if words and not abbreviated and BREAKS.search(between + " "):
                number += 1
                if not BREAKS.search(WEAK_BREAKS.sub(" ", between) + " "):
                    loosely.add(number)
            words.append(found.group())
            clause.append(number)
            last = found.end()
        return cls(tuple(words), tuple(clause), frozenset(loosely))


@dataclass(frozen=True, slots=True)
class Cues:
    """
    Words that change what is said.

    Attributes:
        before, after: What they say → phrases that stand before or after the words they speak of.
        unless: Phrases in which such a word says something else.
    """

    before: Mapping[Meant, frozenset[Phrase]] = field(default_factory=dict)
    after: Mapping[Meant, frozenset[Phrase]] = field(default_factory=dict)
    unless: frozenset[Phrase] = frozenset()
    _lengths: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _words: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = [phrase for listed in (*self.before.values(), *self.after.values(), self.unless) for phrase in listed]
        object.__setattr__(self, "_lengths", tuple(sorted({len(phrase) for phrase in every}, reverse=True)))
        object.__setattr__(self, "_words", frozenset(word for phrase in every for word in phrase))

    def words_in(self, words: Iterable[str]) -> frozenset[str]:
        """Those of some words that are part of a cue."""
        return self._words.intersection(words)

    def meant(self, said: Clauses, start: int, end: int) -> Meant:
        """
        How a text means the words from `start` to before `end`.

        A cue before them counts in the same clause, with up to `WORDS_BETWEEN` words between; one after them also
        right behind a comma, colon or dash ("chest pain: denied").
        """
        words = said.words
        if self._words.isdisjoint(words):
            return Meant.SAID
        silenced = self._silenced(words)
        found: set[Meant] = set()
        first = max(0, start - WORDS_BETWEEN)
        for at in range(max(0, start - WORDS_BETWEEN - max(self._lengths)), start):
            for length in self._lengths:
                stop = at + length
                if first <= stop <= start and said.clause[at] == said.clause[start]:
                    found.update(self._of(self.before, words[at:stop], range(at, stop), silenced))
        if end < len(words):
            same = [
                at for at in range(end, min(len(words), end + WORDS_BETWEEN)) if said.clause[at] == said.clause[end - 1]
            ]
            behind = [end] if said.clause[end] in said.loosely else []
            for at in dict.fromkeys((*same, *behind)):
                for length in self._lengths:
                    found.update(self._of(self.after, words[at : at + length], range(at, at + length), silenced))
        return next((meant for meant in OUTWEIGHS if meant in found), Meant.SAID)

    def _silenced(self, words: Phrase) -> frozenset[int]:
        """Places of words that are part of a phrase in which they say something else."""
        places: set[int] = set()
        for start in range(len(words)):
            for length in self._lengths:
                if words[start : start + length] in self.unless:
                    places.update(range(start, start + length))
        return frozenset(places)

    @staticmethod
    def _of(
        cues: Mapping[Meant, frozenset[Phrase]], phrase: Phrase, places: Iterable[int], silenced: frozenset[int]
    ) -> Iterable[Meant]:
        hit = [meant for meant, phrases in cues.items() if phrase in phrases]
        if hit and not silenced.isdisjoint(places):
            # "not excluded" does not exclude it, and says no more than that it may be so.
            return [Meant.UNCERTAIN] if {Meant.NEGATED, Meant.UNCERTAIN}.intersection(hit) else []
        return hit


def phrases_of(texts: Iterable[str]) -> frozenset[Phrase]:
    """Texts as phrases, for comparing."""
    return frozenset(filter(None, map(words_of, texts)))
