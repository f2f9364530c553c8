"""
Codes as FHIR carries them, and what "is in this value set" means.

Coding and Concept are msgspec Structs, not dataclasses: a record holds thousands, and a frozen dataclass costs five
times as much to make.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"

ICD_CATEGORY = 3  # characters before the dot

SAME_SYSTEM = {
    # Spellings of a code system that mean the same one (THO "naming systems"; seen in public test data).
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "http://fhir.de/CodeSystem/dimdi/atc": ATC,
    # WHO's ICD-10 and its German edition share the categories that value sets of ICD-10-CM codes are made of. Where a
    # subcategory differs, taking it for ours is the safer error: a diagnosis is looked at rather than missed.
    "http://hl7.org/fhir/sid/icd-10": ICD10CM,
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD10CM,
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.3": ICD10CM,
}


def canonical_system(system: str) -> str:
    """The canonical URI of a code system, whatever spelling, version or trailing slash it came with."""
    plain = system.strip().split("|")[0].rstrip("/")
    return SAME_SYSTEM.get(plain, plain)


def canonical_code(system: str, code: str) -> str:
    """A code as its system writes it: ICD-10 codes come without their dot, or in lower case, from some senders."""
    code = code.strip()
    if system != ICD10CM:
        return code
    code = code.upper()
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
        names: lower-case words → our display; matched in text and displays, as weaker evidence than a code.
        answers: (system, code) → number, for coded answers that stand for a score.
    """

    name: str
    title: str
    codes: dict[tuple[str, str], str]
    roots: dict[tuple[str, str], str]
    excepted: dict[tuple[str, str], str]
    names: dict[str, str]
    answers: dict[tuple[str, str], float]
