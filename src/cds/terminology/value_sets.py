"""What "is in this value set" means, and how to tell what no value set is concerned with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from cds.terminology.concepts import Coding, Concept, bare
from cds.terminology.phrases import WordGroup, folded
from cds.terminology.systems import ICD_CATEGORY
from cds.terminology.vocabulary import EntryKind


class CodeRange(msgspec.Struct, frozen=True):
    """
    Codes whose category lies between two, both included, and in which one character says something.

    Attributes:
        system: Code system, hierarchical.
        first, last: Categories, three characters.
        character: Which one, counted from 1 without the dot; when it is the filler X, the one before it is read.
        value: What it must be.
    """

    system: str
    first: str
    last: str
    character: int
    value: str

    def holds(self, coding: Coding) -> bool:
        """Whether a code is one of them; a code too short to have that character is not."""
        if coding.system != self.system or not self.first <= coding.code[:ICD_CATEGORY] <= self.last:
            return False
        plain = coding.code.replace(".", "")
        at = self.character - 1
        if len(plain) <= at:
            return False
        return (plain[at - 1] if plain[at] == "X" else plain[at]) == self.value


@dataclass(frozen=True, slots=True)
class ValueSet:
    """
    A value set, ready for looking things up.

    Attributes:
        name: File stem under rules/valuesets.
        title: What a clinician calls it.
        codes: (system, code) → our display. A code here matches exactly.
        roots: (system, code) → our display, for hierarchical code systems whose children begin with the parent's
            code (ICD-10-CM, ATC): matches that code and every code beginning with it.
        excepted: (system, code) → our display: children of a root that do not belong.
        names: Groups of words; matched in text and displays, as weaker evidence than a code.
        full_names: whole texts (see `bare`) → as written; an Observation called so is as good as one with a code.
        answers: (system, code) → number, for coded answers that stand for a score.
        answers_in_words: whole answers (see `bare`) → number, for those in words.
        ranges: Codes told by their category and one character.
        texts: whole texts (see `bare`) → as written, that a site says to be in the set; as good as a code.
    """

    name: str
    title: str
    codes: dict[tuple[str, str], str]
    roots: dict[tuple[str, str], str]
    excepted: dict[tuple[str, str], str]
    names: list[WordGroup]
    answers: dict[tuple[str, str], float]
    ranges: list[CodeRange] = field(default_factory=list)
    full_names: dict[str, str] = field(default_factory=dict)
    answers_in_words: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """All its words, as written."""
        return tuple(word for group in self.names for word in (*group.words, *group.abbreviations))


@dataclass(frozen=True)
class ObservationFilter:
    """
    How to tell an Observation some rule wants from the many of a chart that none does, before it is read.

    Attributes:
        codes: Codes of every wanted observation, without their systems.
        names: Whole names of those without a common code, as `bare` leaves them.
    """

    codes: frozenset[str]
    names: frozenset[str] = frozenset()
    _initials: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        initials = {name[0] for name in self.names}
        object.__setattr__(self, "_initials", frozenset(initials | {initial.upper() for initial in initials}))

    @classmethod
    def of(cls, sets: Iterable[ValueSet]) -> ObservationFilter:
        """What the value sets of observations hold."""
        listed = list(sets)
        return cls(
            frozenset(code for code_set in listed for _, code in code_set.codes),
            frozenset(name for code_set in listed for name in code_set.full_names),
        )

    def called(self, text: str | None) -> bool:
        """Whether a text is such a whole name."""
        if text is None:
            return False
        initial = text.lstrip()[:1]
        if not initial.isascii():
            initial = folded(initial)[:1]
        return initial in self._initials and bare(text) in self.names


class CodeIndex(Protocol):
    """Tells what is no concern of any rule: that which both its codes and its words say to be another."""

    def for_one_record(self) -> CodeIndex:
        """The same with a memory of what it was asked, for one record."""

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set."""

    def codes_of_another_drug(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set or a drug table."""

    def codes_among(self, codings: tuple[Coding, ...], sets: frozenset[str]) -> bool:
        """Whether a code is in one of some value sets."""

    def may_mention(self, text: str, sets: frozenset[str]) -> bool:
        """Whether a text is the name of one of some value sets, or has a word of one, however it is meant."""

    def places_code(self, codings: tuple[Coding, ...], kind: EntryKind) -> bool:
        """Whether a code says by itself what an entry is."""

    def places_observation(self, concept: Concept) -> bool:
        """Whether the code or the name of an observation says that it is another than those that are in value sets."""

    def words_of_another(self, said: tuple[str, ...], kind: EntryKind, *, placed: bool) -> bool:
        """Whether it can be told from texts what an entry is (where no code `placed` it), and it is in no value set."""

    def elsewhere(self, place: Concept, sets: frozenset[str]) -> bool | None:
        """Whether a class or type of an encounter says that it is of none of some value sets; None: it says nothing."""


@dataclass(frozen=True, slots=True)
class RelevanceCriteria:
    """
    What the rules want of a record, told before anything is made of its resources.

    Attributes:
        observed: Observations by code or whole name.
        index: What every code and word says.
        mentioned: Value sets whose words are looked for in observations of any code, by name or answer.
        visited: Value sets of encounters whose days are asked for.
    """

    observed: ObservationFilter
    index: CodeIndex
    mentioned: frozenset[str] = frozenset()
    visited: frozenset[str] = frozenset()
