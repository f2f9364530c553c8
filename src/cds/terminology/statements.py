"""
What a text says of the words found in it: that it is so, that it is not, of somebody else, of the past, or suspected.

The one place where negation, history, family and "rule out" are read, for every value set alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from cds.terminology.phrases import WORD, folded, words_of

BREAKS = re.compile(r"[;!?()\[\]|\n,:]|\.(?=\s|$)|\s[-\u2010-\u2015]+\s")
WEAK_BREAKS = re.compile(r"[,:]|\s[-\u2010-\u2015]+\s")
WORDS_BETWEEN = 3
"""Words that may stand between a cue and what it speaks of: "no acute or chronic pancreatitis" (project decision)."""
WORDS_BESIDE = 2
"""Words before a denial among which another one denies it: "konnte nicht sicher verneint werden" (project decision)."""
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
        between: Words that let a denial before them speak of something else: "no growth of the finding".
        denials: Phrases of `before` and `after` that deny by a word of their own ("denies"): with another word that
            negates ("does not deny", "ontkent … niet") they deny nothing for certain.
        contrasts: Words that end the scope of a cue ("but").
    """

    before: Mapping[Meant, frozenset[Phrase]] = field(default_factory=dict)
    after: Mapping[Meant, frozenset[Phrase]] = field(default_factory=dict)
    unless: frozenset[Phrase] = frozenset()
    between: frozenset[str] = frozenset()
    denials: frozenset[Phrase] = frozenset()
    contrasts: frozenset[str] = frozenset()
    _lengths: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _words: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = [phrase for listed in (*self.before.values(), *self.after.values(), self.unless) for phrase in listed]
        object.__setattr__(self, "_lengths", tuple(sorted({len(phrase) for phrase in every}, reverse=True)))
        object.__setattr__(self, "_words", frozenset(word for phrase in every for word in phrase))

    def words_in(self, words: Iterable[str]) -> frozenset[str]:
        """The words, of those given, that are part of a cue."""
        return self._words.intersection(words)

    def meant(self, said: Clauses, start: int, end: int, found_at: Collection[int] = ()) -> Meant:
        """
        How a text means the words from `start` to before `end`; `found_at` are the places of all that were found.

        A cue before them counts in the same clause, with up to `WORDS_BETWEEN` other words between; one after them also
        right behind a comma, colon or dash ("chest pain: denied").
        """
        words = said.words
        if self._words.isdisjoint(words):
            return Meant.SAID
        silenced = self._silenced(words)
        found: set[Meant] = set()
        negated_by: set[Phrase] = set()
        first = self._reach(start, found_at)
        for at in range(max(0, first - max(self._lengths)), start):
            for length in self._lengths:
                stop = at + length
                if first <= stop <= start and said.clause[at] == said.clause[start]:
                    if not self.contrasts.isdisjoint(words[stop:start]):
                        continue
                    hit = self._of(self.before, words[at:stop], range(at, stop), silenced)
                    own = self._own_start(words, stop, start)
                    beside = [words[between] for between in range(stop, own) if between not in found_at]
                    hit = self._unless_of_another(hit, beside)
                    negated_by.update([words[at:stop]] if Meant.NEGATED in hit else [])
                    found.update(hit)
        if self._headed(said, said.clause[start]) in self.before.get(Meant.FAMILY, ()):
            found.add(Meant.FAMILY)
        if end < len(words):
            same = [
                at for at in range(end, min(len(words), end + WORDS_BETWEEN)) if said.clause[at] == said.clause[end - 1]
            ]
            behind = [end] if said.clause[end] in said.loosely else []
            for at in dict.fromkeys((*same, *behind)):
                if not self.contrasts.isdisjoint(words[end : at + 1]):
                    break
                for length in self._lengths:
                    hit = self._of(self.after, words[at : at + length], range(at, at + length), silenced)
                    negated_by.update([words[at : at + length]] if Meant.NEGATED in hit else [])
                    found.update(hit)
        if negated_by and self._denies_a_denial(said, start, negated_by):
            found.symmetric_difference_update({Meant.NEGATED})
            found.add(Meant.UNCERTAIN)
        return next((meant for meant in OUTWEIGHS if meant in found), Meant.SAID)

    def _denies_a_denial(self, said: Clauses, start: int, negated_by: Collection[Phrase]) -> bool:
        """
        Whether a denial is denied itself: by another word that negates the same, or one right beside it.

        A negation at the end of the clause belongs to its verb: "ontkent suïcidegedachten niet".
        """
        if self.denials.isdisjoint(negated_by):
            return False
        if not self.denials.issuperset(negated_by):
            return True
        plain = {phrase[0] for phrase in self.before.get(Meant.NEGATED, ()) if len(phrase) == 1} - {
            word for phrase in self.denials for word in phrase
        }
        places = [at for at, clause in enumerate(said.clause) if clause == said.clause[start]]
        if said.words[places[-1]] in plain:
            return True
        for at in places:
            for length in self._lengths:
                if said.words[at : at + length] in self.denials.intersection(negated_by):
                    before = said.words[max(places[0], at - WORDS_BESIDE) : at]
                    if not plain.isdisjoint((*before, *said.words[at + length : at + length + 1])):
                        return True
        return False

    @staticmethod
    def _headed(said: Clauses, clause: int) -> Phrase:
        """The words of the clause before, where only a comma, colon or dash parts them off: "Family history: …"."""
        if clause not in said.loosely:
            return ()
        return tuple(word for word, number in zip(said.words, said.clause, strict=True) if number == clause - 1)

    @staticmethod
    def _reach(start: int, found_at: Collection[int]) -> int:
        """The first place behind which a cue can stand: others that were found are of one list with these words."""
        between = 0
        while start > 0 and between < WORDS_BETWEEN:
            start -= 1
            between += start not in found_at
        return start

    def _own_start(self, words: Phrase, first: int, start: int) -> int:
        """Where the words that begin at `start` begin together with cues right before them ("history of")."""
        for length in self._lengths:
            at = start - length
            if at >= first and any(words[at:start] in phrases for phrases in self.before.values()):
                return at
        return start

    def _unless_of_another(self, meant: Iterable[Meant], between: Iterable[str]) -> Iterable[Meant]:
        """What a cue says, with these words behind it: a denial of something else leaves it possible."""
        if self.between.isdisjoint(between):
            return meant
        return [Meant.UNCERTAIN if one is Meant.NEGATED else one for one in meant]

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
