"""Holes: the few things a card's text can ask to be filled in. No `if`, no loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cds.rulebook.format.cards import HOLE, CardSpec
from cds.yaml_source.document import Path

FILLERS = ("why", "missing", "definitions", "trials", "references", "found", "when", "because", "recorders")
NOTES = "notes"
BRIEF_NOTES = "brief_notes"
PATIENT = "patient.reference"

_GRAMMAR = re.compile(r"(?:(?P<word>[a-z_]+)\((?P<of>[a-z][a-z0-9_]*)\)|(?P<name>[a-z][a-z0-9_]*))")
_STRAY = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """
    One hole of a text.

    Attributes:
        text: What stands between the braces.
        word: One of FILLERS, "" for a plain name. Any other word is a mistake.
        name: The fact, parameter or conclusion; "" for `notes`, `brief_notes`, `patient.reference` and no hole.
    """

    text: str
    word: str
    name: str

    @property
    def understood(self) -> bool:
        """Whether it has the form of a hole."""
        return bool(self.name) or self.text in (NOTES, BRIEF_NOTES, PATIENT)


@dataclass(frozen=True, slots=True)
class TextAt:
    """
    One text of a card.

    Attributes:
        text: The text.
        path: Where in the file.
        place: summary, detail, note, resource, or plain (where no hole may stand).
    """

    text: str
    path: Path
    place: str


def placeholders_in(text: str) -> list[Placeholder]:
    """Every hole of a text, in order, well formed or not."""
    return [_hole(match) for match in HOLE.finditer(text)]


def _hole(match: re.Match[str]) -> Placeholder:
    inside = match[1].strip()
    grammar = _GRAMMAR.fullmatch(inside)
    if inside in (NOTES, BRIEF_NOTES, PATIENT) or grammar is None:
        return Placeholder(inside, "", "")
    return Placeholder(inside, grammar["word"] or "", grammar["of"] or grammar["name"])


def fill(text: str, filler: Callable[[Placeholder], str]) -> str:
    """The text with every hole replaced by what `filler` gives for it."""
    return HOLE.sub(lambda match: filler(_hole(match)), text)


def stray_braces(text: str) -> list[str]:
    """Braces that belong to no hole, and signs of other template languages."""
    return _STRAY.findall(fill(text, lambda _: ""))


def texts(card: CardSpec, path: Path) -> Iterator[TextAt]:
    """Every text of a card that a clinician reads or an EHR receives."""
    yield TextAt(card.summary, (*path, "summary"), "summary")
    yield TextAt(card.detail, (*path, "detail"), "detail")
    for index, note in enumerate(card.notes):
        yield TextAt(note.say, (*path, "notes", index, "say"), "note")
        if note.summary is not None:
            yield TextAt(note.summary, (*path, "notes", index, "summary"), "summary")
    yield TextAt(card.source.label, (*path, "source", "label"), "plain")
    for index, link in enumerate(card.links):
        yield TextAt(link.label, (*path, "links", index, "label"), "plain")
        yield TextAt(link.url, (*path, "links", index, "url"), "plain")
    for number, suggestion in enumerate(card.suggestions):
        here = (*path, "suggestions", number)
        yield TextAt(suggestion.label, (*here, "label"), "plain")
        for index, action in enumerate(suggestion.actions):
            yield TextAt(action.create, (*here, "actions", index, "create"), "plain")
            yield from _strings(action.resource, (*here, "actions", index, "resource"))


def _strings(value: object, path: Path) -> Iterator[TextAt]:
    match value:
        case str():
            yield TextAt(value, path, "resource")
        case dict():
            for key, part in value.items():
                yield from _strings(part, (*path, key))
        case list():
            for index, part in enumerate(value):
                yield from _strings(part, (*path, index))
