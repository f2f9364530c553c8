"""CodeableConcepts as the sender wrote them → Concepts with canonical code systems."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from cds.record import fhir
from cds.record.model import NOT_UNDERSTOOD
from cds.terminology.concepts import Coding, Concept
from cds.terminology.systems import WRITTEN_IN_WAYS, canonical_code, canonical_system

EMPTY = Concept()
LONGEST_SYSTEM = 256
"""Characters of the longest text that is read as the URI of a code system."""


def concept_of(said: fhir.CodeableConcept | None) -> Concept:
    """Give the Concept for a CodeableConcept (R4 §2.24.0.6); an empty one if there is none."""
    if said is None:
        return EMPTY
    text = said.text.strip() if said.text else ""
    return Concept(codings_of(said.coding), text) if said.coding else Concept((), text)


def concept_of_either(said: fhir.CodeableReference | None) -> Concept:
    """Give the Concept of R5's "concept or reference", or of an R4 CodeableConcept in its place; a display as text."""
    if said is None:
        return EMPTY
    if said.concept is not None:
        return concept_of(said.concept)
    if said.coding or said.text:
        return concept_of(fhir.CodeableConcept(said.coding, said.text))
    return Concept((), (said.reference.display or "").strip()) if said.reference else EMPTY


def codings_of(said: Iterable[fhir.Coding | None]) -> tuple[Coding, ...]:
    """Give the codings, in the sender's order, without empty ones."""
    return tuple([coding_of(coding) for coding in said if coding is not None and (coding.code or coding.display)])


def coding_of(said: fhir.Coding) -> Coding:
    """Give one Coding with the canonical URI of its system, and the code as that system writes it."""
    system = _system(said.system) if said.system and len(said.system) <= LONGEST_SYSTEM else said.system or ""
    code = said.code.strip() if said.code else ""
    return Coding(system, canonical_code(system, code) if system in WRITTEN_IN_WAYS else code, said.display or "")


@lru_cache(maxsize=256)
def _system(system: str) -> str:
    return canonical_system(system)


def code_among(said: fhir.CodeableConcept | None, known: frozenset[str]) -> str:
    """Give the first code that is one of the known ones; "" if none is (text alone is no code)."""
    if said is not None:
        for coding in said.coding or ():
            if coding is not None and coding.code in known:
                return coding.code
    return ""


def clinical_status(said: fhir.CodeableConcept | None, known: frozenset[str]) -> str:
    """
    Give the clinicalStatus code; "" if none was given.

    A display or text that is the code's own word ("Resolved") stands for it. NOT_UNDERSTOOD for anything else: a status
    that was given and cannot be read must not be taken for none.
    """
    code = code_among(said, known)
    if code or said is None:
        return code
    concept = concept_of(said)
    for text in (*(part for coding in concept.codings for part in (coding.code, coding.display)), concept.text):
        if text.strip().lower() in known:
            return text.strip().lower()
    return NOT_UNDERSTOOD if concept.words else ""
