"""Which value sets the words of a text that nobody here knows could be of, where the rest of it was recognised."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from cds.terminology.phrases import SHORTEST_PART, STAR, words_of
from cds.terminology.statements import Clauses

STRANGERS = 1
"""Unknown words, like none of ours, that may qualify a recognised one in a clause, as a foreign adjective does."""


@dataclass(frozen=True, slots=True)
class SuspiciousGroup:
    """
    Words that may stand for something a rule looks for.

    Attributes:
        exact: Whole words.
        begins: Beginnings of words.
        never_of: Value sets that none of them can stand for by itself; without any, they may stand for anything.
    """

    exact: frozenset[str]
    begins: tuple[str, ...]
    never_of: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: Iterable[str], never_of: Iterable[str] = ()) -> SuspiciousGroup:
        """Words as the rules list them; one with a star stands for every word that begins so."""
        listed = list(words)
        return cls(
            frozenset(words_of(word)[0] for word in listed if not word.endswith(STAR)),
            tuple(words_of(word)[0] for word in listed if word.endswith(STAR)),
            frozenset(never_of),
        )

    def holds(self, word: str) -> bool:
        """Whether a folded word is one of them."""
        return word in self.exact or (bool(self.begins) and word.startswith(self.begins))


class LikeWords:
    """
    The words of value sets, for finding those an unknown word could be a form or a spelling of.

    `like` says how alike two words must be, of 100 (rapidfuzz, ratio), to be spellings of each other.
    """

    def __init__(self, sets: Mapping[str, Iterable[str]], left_out: Collection[str], like: int) -> None:
        self._like = like
        self._of: dict[str, set[str]] = {}
        self._begins: dict[str, set[str]] = {}
        for name, phrases in sets.items():
            for phrase in phrases:
                for word in words_of(phrase):
                    if len(word) >= SHORTEST_PART and word not in left_out:
                        self._of.setdefault(word, set()).add(name)
                        self._begins.setdefault(word[:SHORTEST_PART], set()).add(name)
        self._words = list(self._of)

    def sets_like(self, word: str) -> frozenset[str]:
        """Value sets with a word that begins alike or is nearly the same; none for a word too short to tell."""
        if len(word) < SHORTEST_PART:
            return frozenset()
        found = set(self._begins.get(word[:SHORTEST_PART], ()))
        for like, _, _ in process.extract(word, self._words, scorer=fuzz.ratio, score_cutoff=self._like, limit=None):
            found |= self._of[like]
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class UnknownWords:
    """
    What unknown words of one kind of entries could stand for.

    Attributes:
        every: Value sets that are looked for among such entries.
        suspicious: Words that may stand for something, by group.
        articles: Words of other languages that add nothing.
        joining: Words after which a second thing may follow.
        like: Words of the value sets.
    """

    every: frozenset[str]
    suspicious: tuple[SuspiciousGroup, ...]
    articles: frozenset[str]
    joining: frozenset[str]
    like: LikeWords

    def may_be(
        self, said: Clauses, unknown: Iterable[int], recognised: Mapping[int, Collection[str]]
    ) -> frozenset[str] | None:
        """
        The value sets that the words at the `unknown` places could be of; None for any at all.

        A clause in which words of a value set were `recognised` (place → value sets) is about that. Its other words
        qualify it, and may be of the sets whose words are like them, where these are others; one that is like none may
        stand there as well. Without any recognised words, only words that cannot be of every set say less than
        anything.
        """
        found: set[str] = set()
        about: dict[int, set[str]] = {}
        for at, sets in recognised.items():
            about.setdefault(said.clause[at], set()).update(sets)
        joined = {said.clause[at] for at, word in enumerate(said.words) if word in self.joining}
        strangers: dict[int, int] = {}
        for at in unknown:
            word, clause = said.words[at], said.clause[at]
            if word in self.articles:
                continue
            group = next((one for one in self.suspicious if one.holds(word)), None)
            if group is not None:
                if not group.never_of:
                    return None
                found |= self.every - group.never_of
                continue
            if clause not in about or clause in joined:
                return None
            alike = self.like.sets_like(word)  # a search through all words of the value sets: where it can matter only
            strangers[clause] = strangers.get(clause, 0) + (not alike)
            if strangers[clause] > STRANGERS:
                return None
            found |= alike - about[clause]
        return frozenset(found)
