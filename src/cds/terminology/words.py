"""Words that deny, and whether words name anything."""

from __future__ import annotations

import re

from cds.terminology.concepts import Concept
from cds.terminology.phrases import words_of

NEGATIONS = frozenset({"no", "not", "without", "denies", "denied", "never"})
# In a stop reason also the halves of "wasn't" and "rather than"; and words of a contrast, after which no "not" reaches.
NEGATIONS_OF_A_REASON = NEGATIONS | {
    "nor", "neither", "none", "cannot", "rather", "unrelated", "excluded",
    "isn", "wasn", "weren", "aren", "didn", "doesn",
}  # fmt: skip
CONTRASTS = frozenset({"but", "however", "although", "though", "yet"})
CLAUSE_ENDS = re.compile(r"[.;:!?()\[\]|\n]|\s[-\u2010-\u2015]+\s")
LETTERS_OF_A_CODE = 1  # "I71.4" has one letter beside its digits; "MI" is a word


def has_a_name(concept: Concept) -> bool:
    """Whether there is a word in it; a letter or two of a code are none."""
    return is_a_name(words_in(concept.said))


def words_in(said: tuple[str, ...]) -> list[str]:
    """Every word of some texts."""
    return [word for text in said for word in words_of(text)]


def is_a_name(words: list[str]) -> bool:
    """Whether some word is longer than the letters of a code."""
    return any([len(word) > LETTERS_OF_A_CODE for word in words])  # noqa: C419 (a generator takes twice as long)
