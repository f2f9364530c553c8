"""Fix: one mistake that a program can correct, as edits of texts; for `cds fix` and for editors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds.yaml_source.problem import Problem
from cds.yaml_source.ranges import TextRange, offset


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """
    One replacement in one file.

    Attributes:
        file: Path as problems name it.
        range: What is replaced; an empty range inserts before its place.
        text: What takes its place.
    """

    file: str
    range: TextRange
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """
    What a program can correct.

    Attributes:
        name: Check that finds it, or "schema-line", "layout" or "version".
        what: What it does, one sentence.
        why: The reason, one sentence.
        edits: Replacements that belong together; none overlaps another.
        problem: What it takes away; None where no check says it.
    """

    name: str
    what: str
    why: str
    edits: tuple[Edit, ...]
    problem: Problem | None = None


def without_overlap(fixes: Iterable[Fix]) -> list[Fix]:
    """The fixes, in their order, whose edits meet none of an earlier one; the rest wait for the next look."""
    taken: list[Edit] = []
    kept: list[Fix] = []
    for fix in fixes:
        if any(new.file == old.file and new.range.overlaps(old.range) for new in fix.edits for old in taken):
            continue
        taken += fix.edits
        kept.append(fix)
    return kept


def applied(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits of its file in place; they must not overlap."""
    for edit in sorted(edits, reverse=True):
        at = edit.range
        start, end = offset(text, at.line, at.column), offset(text, at.end_line, at.end_column)
        text = text[:start] + edit.text + text[end:]
    return text
