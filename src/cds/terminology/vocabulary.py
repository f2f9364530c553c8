"""
When an entry that no rule looks for can be said to be another thing: known codes, and words of known other things.

What can neither be recognised nor placed is not read: it may be whatever a rule looks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from cds.terminology.concepts import Coding, bare
from cds.terminology.phrases import WORD, words_of
from cds.terminology.statements import NOT_THIS_PATIENTS, Clauses, Cues
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
    OBSERVATION = "observation"  # its name, not its value

    __hash__ = object.__hash__  # as of Truth: each is one object, and what is read is remembered by it


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
        ignored_of: Kind → words that say nothing of what an entry of that kind is ("referral").
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
        near_match: Of 100: how alike an unknown word must be to a word of a value set to leave that set open.
        ambiguous: Abbreviation → value sets it may be of besides those that list it ("SCAD").
    """

    words: Mapping[EntryKind, frozenset[str]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    ignored_of: Mapping[EntryKind, frozenset[str]] = field(default_factory=dict)
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
    ambiguous: Mapping[str, frozenset[str]] = field(default_factory=dict)
    near_match: int = 100
    _longest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_longest", max(map(len, self.names), default=0))

    def places_codes(self, codings: Iterable[Coding], kind: EntryKind) -> bool:
        """Whether one of some codes says by itself what an entry of some kind is."""
        closed = self.closed.get(kind, ())
        for coding in codings:
            system, code = coding.system, coding.code
            if (system, code) in self.other_codes:
                return True
            if code and system in closed and (system != ICD10CM or code[:ICD_CATEGORY] in self.categories):
                return True
        return False

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

        Of a condition, procedure, allergy or request every word must be known, and one of them must name a thing. Of a
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
        silent = self._silent(words, covered, kind)
        for at, word in enumerate(words):
            if at not in covered and at not in silent and word not in known:
                return Reading.NOT_READ
        return Reading.READ if len(silent) < len(words) else Reading.SILENT

    def unknown(self, words: Sequence[str], covered: Collection[int], kind: EntryKind) -> tuple[int, ...]:
        """Places of words that nobody knows, where the `covered` ones are words of value sets."""
        known = self.words.get(kind, frozenset())
        placed = {*covered, *self._named(words)}
        placed |= self._silent(words, placed, kind)
        return tuple(at for at, word in enumerate(words) if at not in placed and word not in known)

    def stands_for_several(self, text: str, kind: EntryKind) -> frozenset[str]:
        """
        The value sets that an abbreviation may be of, where all other words of a text say nothing.

        None for one that is denied or of the family, and for any other text.
        """
        if not self.ambiguous or text.islower():
            return frozenset()
        written = {word.lower(): self.ambiguous[word] for word in WORD.findall(text) if word in self.ambiguous}
        if not written:
            return frozenset()
        said = Clauses.of(text)
        places = {at for at, word in enumerate(said.words) if word in written}
        if len(self._silent(said.words, places, kind)) + len(places) < len(said.words):
            return frozenset()
        meant = {at: self.cues.meant(said, at, at + 1, places) for at in places}
        found = [written[said.words[at]] for at in sorted(places) if meant[at] not in NOT_THIS_PATIENTS]
        return frozenset().union(*found)

    def is_unknown_abbreviation(self, text: str) -> bool:
        """Whether a text is nothing but a few capitals, which would be another word in small letters."""
        bare_text = text.strip().rstrip(".")
        if len(bare_text) > LONGEST_CAPITALS or not (bare_text.isalpha() and bare_text.isupper()):
            return False
        words = words_of(bare_text)
        return words[0] not in self.abbreviations and words not in self.names

    def _silent(self, words: Sequence[str], covered: Collection[int], kind: EntryKind) -> set[int]:
        """Places of words that say nothing of what an entry of some kind is."""
        cues = self.cues.words_in(words)
        own = self.ignored_of.get(kind, frozenset())
        return {
            at
            for at, word in enumerate(words)
            if at not in covered and (word in self.ignored or word in own or word in cues or len(word) < 2)
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
