"""
Codes and concepts as FHIR carries them.

Coding and Concept are msgspec Structs, not dataclasses: a record holds thousands, and a frozen dataclass costs five
times as much to make.
"""

from __future__ import annotations

import re

import msgspec

from cds.terminology.phrases import folded

NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+", re.UNICODE)


class Coding(msgspec.Struct, frozen=True, gc=False):
    """
    One code of one code system, with its display.

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


def bare(text: str) -> str:
    """A text as whole names are compared: letters and digits only, without case and accents."""
    return NOT_LETTER_OR_DIGIT.sub("", folded(text))
