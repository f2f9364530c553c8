"""What may follow at a cursor: keys by the format, names by what belongs there, codes with their displays."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from lsprotocol.types import CompletionItemKind
from pydantic import BaseModel, RootModel

from cds.authoring.testing import patient_format
from cds.authoring.testing.cases import Test, Then
from cds.facts.kind import FACTS, NUMBER, STATEMENT, FactBase
from cds.language_server.cursor import FORMS, Cursor
from cds.language_server.expected import Expected, expected_at
from cds.language_server.index import FolderIndex, NameDefinition, Namespace
from cds.locale.catalog import ENGLISH
from cds.locale.plural import plural_forms
from cds.rulebook.format.about import Parameter
from cds.rulebook.format.conditions import Comparing
from cds.rulebook.format.rule_file import DefinitionSpec
from cds.rulebook.format.site import CodesChange, SiteFile
from cds.rulebook.format.value_set import CodeGroup
from cds.rulebook.lint.names import fits
from cds.rulebook.loader import Rulebook
from cds.rulebook.placeholders import BRIEF_NOTES, FILLERS, NOTES
from cds.rulebook.references import (
    CONCLUSION,
    DEFINITION,
    DURATION,
    FITS,
    LIMIT,
    PARAMETER,
    PLACEHOLDER_WANTS,
    Definition,
    NameReference,
)
from cds.terminology.systems import ICD10CM
from cds.yaml_source.fields import DrugTableName, DurationName, NumberName, OneOf, Refers, ValueSetName

MOST = 500
"""How many entries one list has at most; an editor filters them by what is typed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """
    One completion: a word that may follow the cursor.

    Attributes:
        text: What is written.
        label: What the list shows.
        detail: What it is, in a few words.
        searched: What is compared with what is typed; "" for the label.
        symbol: What a hover says of it, looked up only when asked; None for a key or word.
    """

    text: str
    label: str
    kind: CompletionItemKind
    detail: str = ""
    searched: str = ""
    symbol: NameDefinition | None = None


@dataclass(frozen=True, slots=True)
class OfferedChoices:
    """What may follow; `cut` where there is more than fits, so that an editor asks again as more is typed."""

    choices: list[Choice]
    cut: bool


def choices(
    cursor: Cursor, format_: type[BaseModel], file: str, typed: str, book: Rulebook, index: FolderIndex
) -> OfferedChoices:
    """What may follow at a cursor, each once; the format's own order of keys comes first."""
    found: dict[str, Choice] = {}
    for one in _choices(cursor, format_, file, book, index):
        found.setdefault(one.text, one)
    if len(found) <= MOST:
        return OfferedChoices(list(found.values()), cut=False)
    fit = [one for one in found.values() if typed.lower() in (one.searched or one.label).lower()]
    return OfferedChoices(fit[:MOST], cut=True)


def _choices(
    cursor: Cursor, format_: type[BaseModel], file: str, book: Rulebook, index: FolderIndex
) -> Iterator[Choice]:
    if cursor.placeholder is not None:
        yield from _in_a_placeholder(cursor.placeholder, index)
        return
    system = _system(cursor.value, cursor.path)
    for one in expected_at(format_, cursor.path, cursor.value):
        if cursor.is_key:
            yield from _keys(one, _at(cursor.value, cursor.path))
            yield from _names_as_keys(one, system, book, index)
        else:
            yield from _values(one, file, system, book, index)
            if one.model is not None and not isinstance(_at(cursor.value, cursor.path), dict):
                yield from _keys(one, {})
                yield from _names_as_keys(one, system, book, index)


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


# ---------------------------------------------------------------- keys


def _keys(one: Expected, present: Any) -> Iterator[Choice]:
    model = one.model
    if model is None or issubclass(model, RootModel):
        return
    there = set(present) if isinstance(present, dict) else set()
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in there:
            detail = ("needed: " if field.is_required() else "") + (field.description or "")
            yield Choice(f"{key}: ", key, CompletionItemKind.Property, detail.strip())


def _names_as_keys(one: Expected, system: str, book: Rulebook, index: FolderIndex) -> Iterator[Choice]:
    """Names where a key is wanted, as the model and the field say."""
    if one.model is not None and issubclass(one.model, Comparing):
        yield from (_name(found, ": ") for found in _of_roles(index, {NUMBER}))
    if one.model is not None and issubclass(one.model, Then):
        yield from (_name(found, ": ") for found in _of_roles(index, {*FACTS, CONCLUSION}))
    if one.model is not None and issubclass(one.model, patient_format.ValuedByName):
        yield from (_name(found, ": ") for found in index.of(Namespace.VALUE_SET))
    if get_origin(one.type) is not dict:
        return
    model, field = one.owner
    if issubclass(model, CodeGroup) and field in ("exact", "with_children", "except_"):
        yield from _codes(system, book, in_quotes=False)
    elif issubclass(model, CodesChange):
        yield from (_with_system(choice, system_) for system_ in _systems(book) for choice in _codes(system_, book))
    elif issubclass(model, SiteFile) and field == "set":
        for found in _of_roles(index, {PARAMETER}):
            if found.spec.site_may_set:
                yield _name(found, ": ")
    else:
        for wanted in KEY_NAMES.get((model, field), ()):
            yield from (_name(found, ": ") for found in _wanted(wanted, index, ""))


Wanted = Namespace | str
KEY_NAMES: Mapping[tuple[type[BaseModel], str], tuple[Wanted, ...]] = {
    (DefinitionSpec, "with_"): (PARAMETER,),
    (Test, "with_"): (PARAMETER,),
    (Then, "notes"): (Namespace.CARD,),
    (Then, "indicators"): (Namespace.CARD,),
    (Then, "definitions"): (DEFINITION,),
    (SiteFile, "valuesets"): (Namespace.VALUE_SET,),
    (SiteFile, "cards"): (Namespace.CARD,),
    (patient_format.ExamplePatient, "took"): (Namespace.DRUG,),
    (patient_format.ExamplePatient, "orders"): (Namespace.DRUG,),
}
"""Fields whose keys are names of things defined elsewhere."""
VALUE_NAMES: Mapping[str, Wanted] = {
    "evidence": Namespace.EVIDENCE, "service": Namespace.SERVICE, "given": Namespace.PATIENT, "cards": Namespace.CARD,
    "shows": Namespace.CARD, "does_not_show": Namespace.CARD, "first_card": Namespace.CARD, "drug": Namespace.DRUG,
    "coded": Namespace.VALUE_SET, "during": Namespace.VALUE_SET, "adds_to": Namespace.VALUE_SET, "of": CONCLUSION,
    "chosen_by": PARAMETER, "is_": CONCLUSION, "definition": DEFINITION,
}  # fmt: skip
"""Fields whose value is such a name, where the field's type does not say so."""


# ---------------------------------------------------------------- values


def _values(one: Expected, file: str, system: str, book: Rulebook, index: FolderIndex) -> Iterator[Choice]:
    yield from _words(one)
    marks: tuple[tuple[type, Callable[[Any], Iterable[NameDefinition]]], ...] = (
        (ValueSetName, lambda _: index.of(Namespace.VALUE_SET)),
        (DrugTableName, lambda _: index.of(Namespace.TABLE)),
        (Refers, lambda mark: _fitting(mark.wants, index)),
        (DurationName, lambda _: _fitting(DURATION, index)),
        (NumberName, lambda _: _fitting(LIMIT, index)),
        (OneOf, lambda _: _of_roles(index, {PARAMETER})),
    )
    told = False
    for mark in one.marks:
        for kind, names in marks:
            if isinstance(mark, kind):
                told = True
                yield from map(_name, names(mark))
        if getattr(mark, "tag", None) == "name":  # a condition that is a name alone
            told = True
            yield from map(_name, _of_roles(index, {STATEMENT, CONCLUSION}))
        if isinstance(mark, OneOf):
            yield from (Choice(word, word, CompletionItemKind.EnumMember) for word in mark.words)
    model, field = one.owner
    if one.model is not None and issubclass(one.model, patient_format.NamedEntry):
        yield from map(_name, index.of(Namespace.VALUE_SET))
    elif field == "code" and issubclass(model, patient_format.PatientEntry):
        yield from _codes(system or ICD10CM, book)
    elif field == "system" and issubclass(model, CodeGroup):
        yield from (Choice(uri, uri, CompletionItemKind.Value) for uri in _systems(book))
    elif not told and one.model is None and field in VALUE_NAMES:
        yield from map(_name, _wanted(VALUE_NAMES[field], index, file))


def _words(one: Expected) -> Iterator[Choice]:
    if one.type is bool:
        yield from (Choice(word, word, CompletionItemKind.Keyword) for word in ("true", "false"))
    elif get_origin(one.type) is Literal:
        for word in get_args(one.type):
            text = str(word).lower() if isinstance(word, bool) else str(word)
            yield Choice(text, text, CompletionItemKind.EnumMember, one.description)


def _in_a_placeholder(filler: str, index: FolderIndex) -> Iterator[Choice]:
    if filler == FORMS:
        for form in plural_forms(ENGLISH):
            yield Choice(f"{form}: ", form, CompletionItemKind.Keyword, "a plural form; `#` is the number")
        return
    for found in index.of(Namespace.NAME):
        if (definition := _definition(found)) and definition.role in FITS[
            PLACEHOLDER_WANTS.get(filler, PLACEHOLDER_WANTS[""])
        ]:
            yield _name(found)
    if not filler:
        for word in (*FILLERS, NOTES, BRIEF_NOTES):
            text = word if word in (NOTES, BRIEF_NOTES) else f"{word}("
            yield Choice(text, word, CompletionItemKind.Function)


# ---------------------------------------------------------------- names


def _name(found: NameDefinition, ending: str = "") -> Choice:
    name = found.symbol.name
    return Choice(name + ending, name, _picture(found), _in_words(found), symbol=found)


def _picture(found: NameDefinition) -> CompletionItemKind:
    match found.spec:
        case Parameter():
            return CompletionItemKind.Constant
        case FactBase():
            return CompletionItemKind.Variable
    return CompletionItemKind.Reference if found.symbol.namespace is Namespace.NAME else CompletionItemKind.Value


def _in_words(found: NameDefinition) -> str:
    spec = found.spec
    if isinstance(spec, Parameter):
        return f"{spec.value} {spec.unit or ''}".strip()
    header = getattr(spec, "valueset", None) or getattr(spec, "table", None)
    for holder in (spec, header):
        for attribute in ("label", "title", "summary", "cite", "class_"):
            if text := getattr(holder, attribute, None):
                return str(text)
    return found.symbol.namespace.value


def _definition(found: NameDefinition) -> Definition | None:
    """The name as the checks look at it; None for one of another namespace."""
    if found.symbol.namespace is not Namespace.NAME:
        return None
    match found.spec:
        case Parameter():
            role = PARAMETER
        case FactBase():
            role = found.spec.role
        case DefinitionSpec():
            role = DEFINITION
        case _:
            role = CONCLUSION
    return Definition(found.symbol.name, role, found.spec, found.loaded, found.path)


def _fitting(wants: str, index: FolderIndex) -> Iterator[NameDefinition]:
    """The names that can stand where such a one is wanted, as the check `wrong-kind` has it."""
    for found in index.of(Namespace.NAME):
        definition = _definition(found)
        if definition is not None and fits(NameReference(definition.name, wants, found.loaded, ()), definition):
            yield found


def _of_roles(index: FolderIndex, roles: Iterable[str]) -> Iterator[NameDefinition]:
    wanted = set(roles)
    for found in index.of(Namespace.NAME):
        definition = _definition(found)
        if definition is not None and definition.role in wanted:
            yield found


def _wanted(wanted: Wanted, index: FolderIndex, file: str) -> Iterator[NameDefinition]:
    return index.of(wanted, file) if isinstance(wanted, Namespace) else _of_roles(index, {wanted})


# ---------------------------------------------------------------- codes


def _system(value: Any, path: Iterable[str | int]) -> str:
    """The code system of the nearest group or entry around a place; "" where none is said."""
    steps = list(path)
    for end in range(len(steps), 0, -1):
        around = _at(value, steps[:end])
        if isinstance(around, dict) and isinstance(around.get("system"), str):
            system = str(around["system"])
            return patient_format.SYSTEMS.get(system, system)
    return ""


def _systems(book: Rulebook) -> list[str]:
    return sorted({group.system for one in book.sets for group in one.model.codes})


def _codes(system: str, book: Rulebook, *, in_quotes: bool = True) -> Iterator[Choice]:
    """Codes of a system that the folder knows, with their displays: of its value sets, then of its titles."""
    for code, display in _displays(system, book).items():
        text = f'"{code}"' if in_quotes and code.replace(".", "").isdigit() else code
        if not in_quotes:
            text = f'{_quoted(code)}: "{display}"'
        yield Choice(text, code, CompletionItemKind.Value, display, searched=f"{code} {display}")


def _quoted(code: str) -> str:
    return f'"{code}"' if code.replace(".", "").isdigit() else code


def _with_system(choice: Choice, system: str) -> Choice:
    label = f"{system}|{choice.label}"
    return Choice(f'"{label}": "{choice.detail}"', label, choice.kind, choice.detail, f"{label} {choice.detail}")


def _displays(system: str, book: Rulebook) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in book.sets:
        for group in one.model.codes:
            if group.system == system:
                found |= group.exact | group.with_children
    if system == ICD10CM and book.reading is not None:
        header = book.reading.model.reading
        for name in (header.categories, header.titles):
            for code, title in csv.reader(book.reading_tables.get(name, ())[1:]):
                found.setdefault(code, title)
    return found
