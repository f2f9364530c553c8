"""Placeholders: the few things a card's text can ask to be filled in. No `if`, no loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from cds.facts.kind import ParameterValue
from cds.locale.catalog import ENGLISH
from cds.locale.plural import NUMBER_SIGN, OTHER, choose_form, means_one_number, plural_forms
from cds.rulebook.format.cards import PLACEHOLDER, CardSpec
from cds.rulebook.format.leaflets import LeafletSpec, LeafletText
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path

FILLERS = ("why", "missing", "definitions", "trials", "references", "found", "when", "because", "recorders")
NOTES = "notes"
BRIEF_NOTES = "brief_notes"
PATIENT = "patient.reference"
PLURAL_FORMS = "plural-forms"
"""The check of the forms a number has in a text."""

_GRAMMAR = re.compile(
    r"(?:(?P<word>[a-z_]+)\((?P<of>[a-z][a-z0-9_]*)\)"
    r"|(?P<name>[a-z][a-z0-9_]*)(?P<forms>(?:\s*\|\s*[a-z]+\s*:[^|]*)*))"
)
_STRAY = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """
    One placeholder of a text.

    Attributes:
        text: What stands between the braces.
        word: One of FILLERS, "" for a plain name. Any other word is a mistake.
        name: The fact, parameter or conclusion; "" for `notes`, `brief_notes`, `patient.reference` and no placeholder.
        forms: The plural forms of a number, in their order: form and text, with `#` where the number belongs.
    """

    text: str
    word: str
    name: str
    forms: tuple[tuple[str, str], ...] = ()

    @property
    def understood(self) -> bool:
        """Whether it has the form of a placeholder."""
        return bool(self.name) or self.text in (NOTES, BRIEF_NOTES, PATIENT)

    @property
    def shows(self) -> str:
        """What it shows of the patient: the same in every language, whatever forms a number has there."""
        return self.name if self.forms else self.text


@dataclass(frozen=True, slots=True)
class TextAt:
    """
    One text of a card or leaflet.

    Attributes:
        text: The text.
        path: Where in the file.
        place: summary, detail, note, resource, plain (where no placeholder may stand), or leaflet.
        language: BCP 47 tag.
    """

    text: str
    path: Path
    place: str
    language: str = ENGLISH


def placeholders_in(text: str) -> list[Placeholder]:
    """Every placeholder of a text, in order, well formed or not."""
    return [_placeholder(match[1].strip()) for match in PLACEHOLDER.finditer(text)]


@lru_cache(maxsize=4096)
def _placeholder(inside: str) -> Placeholder:
    grammar = _GRAMMAR.fullmatch(inside)
    if inside in (NOTES, BRIEF_NOTES, PATIENT) or grammar is None:
        return Placeholder(inside, "", "")
    forms = (one.split(":", 1) for one in (grammar["forms"] or "").split("|")[1:])
    named = tuple((form.strip(), text.strip()) for form, text in forms)
    return Placeholder(inside, grammar["word"] or "", grammar["of"] or grammar["name"], named)


def fill(text: str, filler: Callable[[Placeholder], str]) -> str:
    """The text with every placeholder replaced by what `filler` gives for it."""
    return PLACEHOLDER.sub(lambda match: filler(_placeholder(match[1].strip())), text)


def parameter_text(placeholder: Placeholder, parameter: ParameterValue, language: str) -> str:
    """A parameter as its placeholder shows it: its value, or the plural form that takes."""
    if not placeholder.forms or isinstance(parameter.value, str):
        return parameter.text
    return choose_form(dict(placeholder.forms), language, parameter.value, parameter.value, parameter.text)


def wrong_forms(placeholder: Placeholder, language: str) -> tuple[str, str] | None:
    """What is wrong with the plural forms of a placeholder in a language, and what to write; None for nothing."""
    if not placeholder.forms:
        return None
    wanted, written = plural_forms(language), [form for form, _ in placeholder.forms]
    listed = ", ".join(wanted)
    at = f"`{{{{ {placeholder.name} | … }}}}`"
    for form, text in placeholder.forms:
        if form not in wanted:
            fix = did_you_mean(form, wanted, f"Write the forms {listed}.")
            return f"{at}: `{form}` is no plural form that counts take in the language {language}.", fix
        if written.count(form) > 1:
            return f"{at} has the form `{form}` twice.", "Keep one."
        if NUMBER_SIGN not in text and not means_one_number(language, form):
            why = "it is for every other number" if form == OTHER else "several numbers take it"
            return (
                f"{at}: `{form}` does not show the number, and {why}.",
                f"Write `{NUMBER_SIGN}` where the number belongs.",
            )
    lacking = [form for form in wanted if form not in written]
    if lacking:
        what = f"{at} lacks what counts take in the language {language}: {', '.join(lacking)}."
        return what, f"Write the forms {listed}, with `{NUMBER_SIGN}` for the number."
    return None


def stray_braces(text: str) -> list[str]:
    """Braces that belong to no placeholder, and signs of other template languages."""
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


def leaflet_texts(spec: LeafletSpec, path: Path) -> Iterator[TextAt]:
    """Every text of a leaflet, in every language, with its place."""
    yield from _in_languages(spec, spec.title, (*path, "title"))
    for notice in ("unreviewed", "unverified", "general"):
        yield from _in_languages(spec, getattr(spec.notices, notice), (*path, "notices", notice))
    for number, section in enumerate(spec.sections):
        here = (*path, "sections", number)
        yield from _in_languages(spec, section.title, (*here, "title"))
        for index, point in enumerate(section.points):
            yield from _in_languages(spec, point, (*here, "points", index))


def _in_languages(spec: LeafletSpec, text: LeafletText, path: Path) -> Iterator[TextAt]:
    yield TextAt(text.say, (*path, "say"), "leaflet", spec.language)
    for language, said in text.in_.items():
        yield TextAt(said, (*path, "in", language), "leaflet", language)
