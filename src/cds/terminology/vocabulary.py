"""
When an entry that no rule looks for can be said to be another thing: known codes, and words of known other things.

What can neither be recognised nor placed is not read: it may be whatever a rule looks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from cds.terminology.concepts import Coding, bare
from cds.terminology.phrases import words_of
from cds.terminology.statements import Cues
from cds.terminology.systems import ICD10CM, ICD_CATEGORY
from cds.terminology.unknown_words import SuspiciousGroup

LONGEST_CAPITALS = 3
"""Capitals that are read as an abbreviation, not as the word they spell (project decision)."""


class EntryKind(Enum):
    """What sort of entry a concept names."""

    CONDITION = "condition"
    PROCEDURE = "procedure"
    ALLERGY = "allergy"
    MEDICATION = "medication"
    REFERRAL = "referral"


class Reading(Enum):
    """What became of reading an entry."""

    READ = "read"  # recognised, or placed as another thing
    NOT_READ = "not read"  # it says something, and nobody here knows what
    SILENT = "says nothing"  # no word, or words that say nothing


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    Words and codes of things no rule looks for.

    Attributes:
        words: Kind → words of entries that no rule looks for; without suspicious ones.
        ignored: Words that say nothing of what it is.
        names: Names of other things → words beside which they are none ("malignant" beside "hypertension"); words of
            one are placed together, whatever each of them could stand for alone.
        titles: Titles of ICD-10-CM, as sets of words → their codes.
        closed: Kind → code systems whose codes say by themselves what an entry is.
        categories: Categories of ICD-10-CM.
        says_nothing, none_known: Value sets of what says nothing, and of what says that there is none.
        cues: Words that change what is said.
        other_codes: Codes a site says to be nothing any rule looks for.
        other_texts: Whole texts (see `bare`) a site says so of.
        frequencies: Value set of how often something is taken; "" for none.
        counts: Words that count ("two", "half").
        looked_for: Kind → value sets that some rule looks for among such entries: codes and words of other sets (of
            answers, reasons, other kinds) do not say what an entry is. A kind that is not there: those of any set do.
        suspicious: Kind → words that may stand for something a rule looks for.
        articles: Words of other languages that add nothing to what a text says.
        joining: Words after which a second thing may follow ("and").
        abbreviations: Words of other things that are written in capitals alone, too; any other known word of up to
            `LONGEST_CAPITALS` capitals is taken for an abbreviation that nobody knows ("BAD").
    """

    words: Mapping[EntryKind, frozenset[str]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    names: Mapping[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    titles: Mapping[frozenset[str], tuple[str, ...]] = field(default_factory=dict)
    closed: Mapping[EntryKind, frozenset[str]] = field(default_factory=dict)
    categories: frozenset[str] = frozenset()
    says_nothing: frozenset[str] = frozenset()
    none_known: frozenset[str] = frozenset()
    cues: Cues = field(default_factory=Cues)
    other_codes: frozenset[tuple[str, str]] = frozenset()
    other_texts: frozenset[str] = frozenset()
    frequencies: str = ""
    counts: frozenset[str] = frozenset()
    looked_for: Mapping[EntryKind, frozenset[str]] = field(default_factory=dict)
    suspicious: Mapping[EntryKind, tuple[SuspiciousGroup, ...]] = field(default_factory=dict)
    articles: frozenset[str] = frozenset()
    joining: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()
    _longest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_longest", max(map(len, self.names), default=0))

    def places_code(self, coding: Coding, kind: EntryKind) -> bool:
        """Whether a code says by itself what an entry of some kind is."""
        if (coding.system, coding.code) in self.other_codes:
            return True
        if not coding.code or coding.system not in self.closed.get(kind, ()):
            return False
        return coding.system != ICD10CM or coding.code[:ICD_CATEGORY] in self.categories

    def says_what(self, value_set: str, kind: EntryKind) -> bool:
        """Whether being in a value set says what an entry of some kind is."""
        return kind not in self.looked_for or value_set in self.looked_for[kind] or value_set in self.none_known

    def titled(self, text: str) -> tuple[Coding, ...]:
        """The codes of ICD-10-CM a text is the title of; none for any other text."""
        if not self.titles:
            return ()
        return tuple(Coding(ICD10CM, code) for code in self.titles.get(frozenset(words_of(text)), ()))

    def places_text(self, text: str) -> bool:
        """Whether a site says of a whole text that it is nothing any rule looks for."""
        return bool(self.other_texts) and bare(text) in self.other_texts

    def places_words(self, words: Sequence[str], covered: Collection[int], kind: EntryKind) -> Reading:
        """
        What a text of these words is, where the `covered` ones are words of value sets or drug tables.

        Of a condition, procedure or allergy every word must be known, and one of them must name a thing. Of a
        medication one word that names a drug is enough: brands, forms and makers have words nobody lists.
        """
        if not words:
            return Reading.SILENT
        known = self.words.get(kind, frozenset())
        if kind is EntryKind.MEDICATION:
            if covered or not known.isdisjoint(words):
                return Reading.READ
            return Reading.SILENT if all(word in self.ignored or len(word) < 2 for word in words) else Reading.NOT_READ
        covered = {*covered, *self._named(words)}
        silent = self._silent(words, covered)
        for at, word in enumerate(words):
            if at not in covered and at not in silent and word not in known:
                return Reading.NOT_READ
        return Reading.READ if len(silent) < len(words) else Reading.SILENT

    def unknown(self, words: Sequence[str], covered: Collection[int], kind: EntryKind) -> tuple[int, ...]:
        """Places of words that nobody knows, where the `covered` ones are words of value sets."""
        known = self.words.get(kind, frozenset())
        placed = {*covered, *self._named(words)}
        placed |= self._silent(words, placed)
        return tuple(at for at, word in enumerate(words) if at not in placed and word not in known)

    def is_unknown_abbreviation(self, text: str) -> bool:
        """Whether a text is nothing but a few capitals, which would be another word in small letters."""
        bare_text = text.strip().rstrip(".")
        if len(bare_text) > LONGEST_CAPITALS or not (bare_text.isalpha() and bare_text.isupper()):
            return False
        words = words_of(bare_text)
        return words[0] not in self.abbreviations and words not in self.names

    def _silent(self, words: Sequence[str], covered: Collection[int]) -> set[int]:
        """Places of words that say nothing of what it is."""
        cues = self.cues.words_in(words)
        return {
            at
            for at, word in enumerate(words)
            if at not in covered and (word in self.ignored or word in cues or len(word) < 2)
        }

    def _named(self, words: Sequence[str]) -> Iterable[int]:
        """Places of words that are part of a name of another thing."""
        for start in range(len(words)):
            for length in range(1, min(self._longest, len(words) - start) + 1):
                never_beside = self.names.get(tuple(words[start : start + length]))
                if never_beside is not None and never_beside.isdisjoint(words):
                    yield from range(start, start + length)


def without(words: Iterable[str], suspicious: Iterable[SuspiciousGroup]) -> frozenset[str]:
    """Words without the suspicious ones."""
    groups = list(suspicious)
    return frozenset(word for word in words if not any(group.holds(word) for group in groups))
