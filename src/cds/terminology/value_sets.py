"""
Codes as FHIR carries them, and what "is in this value set" means.

Coding and Concept are msgspec Structs, not dataclasses: a record holds thousands, and a frozen dataclass costs five
times as much to make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from cds.terminology.phrases import WordGroup, folded

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"

ICD_CATEGORY = 3  # characters before the dot
NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+", re.UNICODE)

SPELLINGS = {
    # Other identifiers and names of the code systems we know (THO "naming systems"; seen in public test data). Compared
    # as `_folded` leaves them: lower case, http, no version, no "urn:oid:", no slash at the end.
    ICD10CM: ("2.16.840.1.113883.6.90", "icd-10-cm", "icd10cm", "icd10-cm", "icd 10 cm"),
    LOINC: ("2.16.840.1.113883.6.1", "http://www.loinc.org", "loinc.org", "loinc"),
    RXNORM: ("2.16.840.1.113883.6.88", "rxnorm"),
    SNOMED: (
        "2.16.840.1.113883.6.96",
        "http://www.snomed.info/sct",
        "snomed",
        "snomed ct",
        "snomed-ct",
        "snomedct",
        "sct",
    ),
    ATC: (
        "2.16.840.1.113883.6.73",
        "http://fhir.de/codesystem/bfarm/atc",
        "http://fhir.de/codesystem/dimdi/atc",
        "atc",
    ),
}
NEARLY = {
    # WHO's ICD-10 and its German edition share the categories that value sets of ICD-10-CM codes are made of. Where a
    # subcategory differs, taking it for ours is the safer error: a diagnosis is looked at rather than missed.
    ICD10CM: (
        "http://hl7.org/fhir/sid/icd-10",
        "http://fhir.de/codesystem/bfarm/icd-10-gm",
        "http://fhir.de/codesystem/dimdi/icd-10-gm",
        "2.16.840.1.113883.6.3",
        "icd-10",
        "icd10",
        "icd-10-gm",
    ),
}


def _folded(system: str) -> str:
    plain = system.strip().lower().split("|")[0].rstrip("/").removeprefix("urn:oid:")
    return f"http://{plain.removeprefix('https://')}" if plain.startswith("https://") else plain


SAME_SYSTEM = {uri: uri for uri in SPELLINGS} | {
    _folded(spelling): uri
    for spellings in (SPELLINGS, NEARLY)
    for uri, listed in spellings.items()
    for spelling in listed
}


def canonical_system(system: str) -> str:
    """The canonical URI of a code system, whatever spelling, edition, version or trailing slash it came with."""
    folded = _folded(system)
    if folded.startswith(f"{SNOMED}/"):  # an edition: http://snomed.info/sct/731000124108
        return SNOMED
    return SAME_SYSTEM.get(folded) or system.strip().split("|")[0].rstrip("/")


def canonical_code(system: str, code: str) -> str:
    """A code as its system writes it: ICD-10 codes come without their dot, or in lower case, from some senders."""
    code = code.strip()
    if system != ICD10CM:
        return code
    code = code.upper().rstrip("*+!\u2020")  # marks of the dagger and asterisk system (ICD-10 volume 2, 3.1.3)
    return code if "." in code or len(code) <= ICD_CATEGORY else f"{code[:ICD_CATEGORY]}.{code[ICD_CATEGORY:]}"


class Coding(msgspec.Struct, frozen=True, gc=False):
    """
    One code of one code system.

    Attributes:
        system: Canonical URI of the code system (see SAME_SYSTEM); "" when the sender gave none.
        code: The code; "" when the sender gave none.
        display: The sender's words for it, if any.
    """

    system: str
    code: str
    display: str = ""


class Concept(msgspec.Struct, frozen=True, gc=False):
    """
    A FHIR CodeableConcept: one thing said in several code systems and in words.

    Attributes:
        codings: All codings, in the sender's order.
        text: CodeableConcept.text, "" if none.
    """

    codings: tuple[Coding, ...] = ()
    text: str = ""

    @property
    def words(self) -> str:
        """The best human name given: text, else the first display, else the first code, else ""."""
        if self.text:
            return self.text
        for coding in self.codings:
            if coding.display:
                return coding.display
        return self.codings[0].code if self.codings else ""

    @property
    def said(self) -> tuple[str, ...]:
        """Its text and displays, each once: they are commonly the same."""
        said = [self.text] if self.text else []
        for coding in self.codings:
            if coding.display and coding.display not in said:
                said.append(coding.display)
        return tuple(said)


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


def bare(text: str) -> str:
    """A text as whole names are compared: letters and digits only, without case and accents."""
    return NOT_LETTER_OR_DIGIT.sub("", folded(text))


@dataclass(frozen=True, slots=True)
class CodeSet:
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

    @property
    def words(self) -> tuple[str, ...]:
        """All its words, as written."""
        return tuple(word for group in self.names for word in (*group.words, *group.abbreviations))


@dataclass(frozen=True)
class Observed:
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
    def of(cls, sets: Iterable[CodeSet]) -> Observed:
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


class Index(Protocol):
    """Tells what is no concern of any rule: that which both its codes and its words say to be another."""

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set."""

    def words_of_another(self, said: tuple[str, ...]) -> bool:
        """Whether texts tell what something is, and it is in no value set."""

    def codes_of_another_drug(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set or a drug table."""

    def words_of_another_drug(self, said: tuple[str, ...]) -> bool:
        """Whether texts tell which drug it is, and it is in no value set and no drug table."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What the rules want of a record, told before anything is made of its resources."""

    observed: Observed
    index: Index
