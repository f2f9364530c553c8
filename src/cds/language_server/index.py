"""Rulebook + cases → every name of a folder: where it is defined and each place that names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from cds.authoring.testing.cases import Case, RuleTests, Test, TestFile, Then
from cds.authoring.testing.patient_format import PatientNameReference
from cds.facts.kind import FactBase
from cds.language_server.documents import EditorFiles, Place, WrittenScalar, written_scalars
from cds.rulebook.format.cards import PLACEHOLDER
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, Rule, definitions, readings
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.fields import DrugTableName, Refers, ValueSetName, listed
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.marks import marked

Loaded = LoadedFile[Any]
LINE = re.compile(r".+")
PLACEHOLDERS, WORDS = "placeholders", "words"


class Namespace(Enum):
    """What a name can be of; the value says it in a message."""

    NAME = "fact, conclusion, parameter or definition"
    VALUE_SET = "value set"
    TABLE = "drug table"
    DRUG = "drug"
    CARD = "card"
    SERVICE = "service"
    EVIDENCE = "evidence"
    PATIENT = "patient"


@dataclass(frozen=True, slots=True)
class Symbol:
    """
    One name that rule files define, in its namespace.

    Attributes:
        scope: The file in which alone it means this; "" for a name of the whole folder.
    """

    namespace: Namespace
    name: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """
    One place of a file that names a symbol.

    Attributes:
        path: Where in the file; of a name inside a text, the text.
        defines: Whether it is the place that says what the name stands for.
        inside: PLACEHOLDERS for a name in a placeholder, WORDS for one among the words of a text; "" for the whole.
    """

    symbol: Symbol
    file: str
    path: YamlPath
    defines: bool = False
    inside: str = ""


@dataclass(frozen=True, slots=True)
class NameDefinition:
    """
    What a name stands for.

    Attributes:
        spec: Its part of the file as a model.
        loaded: The file.
        path: Where in it.
    """

    symbol: Symbol
    spec: Any
    loaded: Loaded
    path: YamlPath


@dataclass
class FolderIndex:
    """
    Every name of a folder of rules.

    A file with a mistake of form is in it as it was when it was last read without one.

    Attributes:
        defined: Name → what it stands for; of a value set, its own file comes before those that add to it.
        files: File → as it was read.
        cases: Every case.
        occurrences: File → the places in it that name something.
        by_symbol: Name → the same.
    """

    defined: dict[Symbol, list[NameDefinition]] = field(default_factory=dict)
    files: dict[str, Loaded] = field(default_factory=dict)
    cases: tuple[Case, ...] = ()
    occurrences: dict[str, tuple[Occurrence, ...]] = field(default_factory=dict)
    by_symbol: dict[Symbol, list[Occurrence]] = field(default_factory=dict)

    def one(self, symbol: Symbol) -> NameDefinition | None:
        """What a name stands for; None for none."""
        found = self.defined.get(symbol)
        return found[0] if found else None

    def named(self, name: str, file: str) -> NameDefinition | None:
        """What a word of a file stands for, whichever namespace has it."""
        for namespace in Namespace:
            for scope in ("", file):
                if found := self.one(Symbol(namespace, name, scope)):
                    return found
        return None

    def of(self, namespace: Namespace, file: str = "") -> Iterator[NameDefinition]:
        """Every name of a namespace that a file may use."""
        for symbol, found in self.defined.items():
            if symbol.namespace is namespace and symbol.scope in ("", file):
                yield found[0]

    def places(self, symbol: Symbol) -> Iterator[Occurrence]:
        """Every place that names it."""
        yield from self.by_symbol.get(symbol, ())


def index_of(book: Rulebook, rule_tests: RuleTests, files: EditorFiles, before: FolderIndex | None) -> FolderIndex:
    """The names of a folder; `before` gives what files say that now hold a mistake of form."""
    index = FolderIndex(cases=tuple(rule_tests.cases))
    loaded: list[Loaded] = [*book.rules.values(), *book.sets, *book.tables.values(), *rule_tests.files]
    loaded += [one for one in (book.reading, book.review, book.site, book.vocabulary) if one is not None]
    index.files = {one.file: one for one in loaded}
    now = {case.file for case in rule_tests.cases}
    if before is not None:
        readable = {problem.file for problem in (*book.problems, *rule_tests.problems)}
        index.files |= {file: one for file, one in before.files.items() if file not in index.files and file in readable}
        kept = tuple(case for case in before.cases if case.file not in now and str(case.file) in index.files)
        index.cases += kept
    for one in index.files.values():
        for definition in _definitions(one):
            index.defined.setdefault(definition.symbol, []).append(definition)
    by_file: dict[str, list[Case]] = {}
    for case in index.cases:
        by_file.setdefault(str(case.file), []).append(case)
    for file, one in index.files.items():
        local = frozenset(symbol.name for symbol in index.defined if symbol.scope == file)
        cases = by_file.get(file, [])
        key = ("occurrences", file, one.text, tuple(case.name for case in cases), local)
        index.occurrences[file] = files.made(key, partial(_each_occurrence, one, cases, local))
        for occurrence in index.occurrences[file]:
            index.by_symbol.setdefault(occurrence.symbol, []).append(occurrence)
    return index


def _definitions(loaded: Loaded) -> Iterator[NameDefinition]:
    model, file = loaded.model, loaded.file

    def defined(namespace: Namespace, name: str, spec: Any, path: YamlPath, scope: str = "") -> NameDefinition:
        return NameDefinition(Symbol(namespace, name, scope), spec, loaded, path)

    if isinstance(model, RuleFile):
        for one in definitions(loaded):
            yield defined(Namespace.NAME, one.name, one.spec, one.path)
        for name, card in model.cards.items():
            yield defined(Namespace.CARD, name, card, ("cards", name))
        for name, service in model.services.items():
            yield defined(Namespace.SERVICE, name, service, ("services", name))
        for name, entry in model.evidence.items():
            yield defined(Namespace.EVIDENCE, name, entry, ("evidence", name), file)
    elif (header := getattr(model, "valueset", None)) is not None:
        if header.id is not None:
            yield defined(Namespace.VALUE_SET, header.id, model, ("valueset", "id"))
    elif (table := getattr(model, "table", None)) is not None:
        yield defined(Namespace.TABLE, table.id, model, ("table", "id"))
        for name, drug in model.drugs.items():
            yield defined(Namespace.DRUG, name, drug, ("drugs", name))
    elif (patients := getattr(model, "patients", None)) is not None:
        scope = file if isinstance(model, TestFile) else ""
        for name, patient in patients.items():
            yield defined(Namespace.PATIENT, name, patient, ("patients", name), scope)


def _each_occurrence(loaded: Loaded, cases: list[Case], local: frozenset[str]) -> tuple[Occurrence, ...]:
    return tuple(dict.fromkeys(_occurrences(loaded, cases, local)))


def _occurrences(loaded: Loaded, cases: Iterable[Case], local: frozenset[str]) -> Iterator[Occurrence]:
    model, file = loaded.model, loaded.file
    for definition in _definitions(loaded):
        yield Occurrence(definition.symbol, file, definition.path, defines=True)
    if isinstance(model, RuleFile):
        yield from _of_rule(loaded)
    elif isinstance(model, TestFile):
        yield from _of_tests(loaded, cases, local)
        yield from _of_mutants(loaded)
    for section, namespace in SECTIONS.get(type(model).__name__, {}).items():
        for name in getattr(model, section):
            yield Occurrence(Symbol(namespace, name), file, (section, name))
    if adds_to := getattr(getattr(model, "valueset", None), "adds_to", None):
        yield Occurrence(Symbol(Namespace.VALUE_SET, adds_to), file, ("valueset", "adds_to"))
    for name, patient in (getattr(model, "patients", None) or {}).items():
        for reference in patient.references():
            yield from _of_patient(reference, file, ("patients", name, *reference.path))
    yield from _marked_names(model, (), file)


SECTIONS: Mapping[str, Mapping[str, Namespace]] = {
    "SiteFile": {
        "set": Namespace.NAME,
        "valuesets": Namespace.VALUE_SET,
        "cards": Namespace.CARD,
        "tables": Namespace.TABLE,
    },
    "ReviewFile": {"statements": Namespace.NAME},
}
"""Sections whose keys are names of things defined elsewhere."""


def _of_rule(rule: Rule) -> Iterator[Occurrence]:
    for reading in readings(rule):
        if isinstance(reading, NameReference):
            symbol = Symbol(Namespace.NAME, reading.name)
            yield Occurrence(symbol, rule.file, reading.path, inside=PLACEHOLDERS if reading.placeholder else "")
    for name, fact in rule.model.facts.items():
        yield from _marked_names(fact, ("facts", name), rule.file)
    for name, card in rule.model.cards.items():
        path: YamlPath = ("cards", name, "service")
        for service in listed(card.service):
            yield Occurrence(Symbol(Namespace.SERVICE, service), rule.file, path)
    for path in rule.located.lines:
        if len(path) > 1 and path[-2] == "evidence" and isinstance(path[-1], int):
            symbol = Symbol(Namespace.EVIDENCE, str(rule.located.value_at(path)), rule.file)
            yield Occurrence(symbol, rule.file, path)


def _marked_names(model: Any, path: YamlPath, file: str) -> Iterator[Occurrence]:
    """Value sets and drug tables that the types of fields mark; outside of rule files, facts too."""
    for one in marked(model, path):
        if one.mark(ValueSetName):
            yield Occurrence(Symbol(Namespace.VALUE_SET, one.value), file, one.path)
        elif one.mark(DrugTableName):
            yield Occurrence(Symbol(Namespace.TABLE, one.value), file, one.path)
        elif one.mark(Refers) and not isinstance(model, FactBase):
            yield Occurrence(Symbol(Namespace.NAME, one.value), file, one.path)


def _of_patient(reference: PatientNameReference, file: str, path: YamlPath) -> Iterator[Occurrence]:
    if reference.kind != "answer":
        namespace = Namespace.VALUE_SET if reference.kind == "value set" else Namespace.DRUG
        yield Occurrence(Symbol(namespace, reference.name), file, path)


def _of_tests(loaded: Loaded, cases: Iterable[Case], local: frozenset[str]) -> Iterator[Occurrence]:
    file = loaded.file
    by_name = {case.name: case for case in cases}
    for index, test in enumerate(loaded.model.tests):
        here: YamlPath = ("tests", index)
        if isinstance(test.given, str):
            scope = file if test.given in local else ""
            yield Occurrence(Symbol(Namespace.PATIENT, test.given, scope), file, (*here, "given"))
        for name in test.with_:
            if "." not in name:
                yield Occurrence(Symbol(Namespace.NAME, name), file, (*here, "with", name))
        if test.service:
            yield Occurrence(Symbol(Namespace.SERVICE, test.service), file, (*here, "service"))
        yield from _of_claims(test, file, (*here, "then"))
        case = by_name.get(test.name)
        if case is None or case.patient is None or not case.written:
            continue
        for reference in case.patient.references():
            for path, written in case.written.items():
                if reference.path[: len(path)] == path:
                    yield from _of_patient(reference, file, (*written, *reference.path[len(path) :]))


def _of_mutants(loaded: Loaded) -> Iterator[Occurrence]:
    """Names of changes that no case can notice; they spell what they change."""
    for index, one in enumerate(loaded.model.unnoticeable):
        for name in dict.fromkeys(re.findall(r"[a-z][a-z0-9_]*", one.change)):
            path: YamlPath = ("unnoticeable", index, "change")
            yield Occurrence(Symbol(Namespace.NAME, name), loaded.file, path, inside=WORDS)


def _of_claims(test: Test, file: str, path: YamlPath) -> Iterator[Occurrence]:
    then: Then = test.then
    for name in (*then.answers, *(("definitions", name) for name in then.definitions)):
        steps = (name,) if isinstance(name, str) else name
        yield Occurrence(Symbol(Namespace.NAME, steps[-1]), file, (*path, *steps))
    for key in ("cards", "shows", "does_not_show"):
        for index, card in enumerate(getattr(then, key) or ()):
            yield Occurrence(Symbol(Namespace.CARD, card), file, (*path, key, index))
    if then.first_card:
        yield Occurrence(Symbol(Namespace.CARD, then.first_card), file, (*path, "first_card"))
    for key in ("notes", "indicators"):
        for card in getattr(then, key):
            yield Occurrence(Symbol(Namespace.CARD, card), file, (*path, key, card))


# ---------------------------------------------------------------- where it is written


def scalars_of(file: str, text: str, files: EditorFiles) -> tuple[WrittenScalar, ...]:
    """Every key and single value of a text, kept as long as the text is the same."""
    return files.made(("scalars", file, text), lambda: written_scalars(text))


def spans(occurrence: Occurrence, scalars: Iterable[WrittenScalar], text: str) -> Iterator[tuple[Place, Place]]:
    """Where an occurrence stands in the text, without quotes; once, but for a name inside a longer text."""
    name, path = occurrence.symbol.name, occurrence.path
    inside = [one for one in scalars if one.path[: len(path)] == path]
    if occurrence.inside:
        for one in inside:
            if one.path == path and not one.is_key:
                yield from _in_text(name, one, text, PLACEHOLDER if occurrence.inside == PLACEHOLDERS else LINE)
        return
    wanted = [one for one in inside if one.value == name]
    if not wanted:  # a name that stands for the whole entry
        wanted = [one for one in scalars if one.path == path[:-1] and not one.is_key and one.value == name]
    if wanted:
        yield _bare(wanted[0], text)


def _bare(scalar: WrittenScalar, text: str) -> tuple[Place, Place]:
    (line, column), (last, end) = scalar.start, scalar.end
    first = text.split("\n")[line][column : column + 1]
    return ((line, column + 1), (last, end - 1)) if first in ("'", '"') else ((line, column), (last, end))


def _in_text(name: str, scalar: WrittenScalar, text: str, part: re.Pattern[str]) -> Iterator[tuple[Place, Place]]:
    lines = text.split("\n")
    for number in range(scalar.start[0], min(scalar.end[0] + 1, len(lines))):
        row = lines[number]
        first = scalar.start[1] if number == scalar.start[0] else 0
        last = scalar.end[1] if number == scalar.end[0] else len(row)
        for placeholder in part.finditer(row, first, last):
            named = placeholder[0].partition("|")[0] if part is PLACEHOLDER else placeholder[0]  # not plural forms
            for word in re.finditer(rf"\b{re.escape(name)}\b(?!\s*\()", named):
                at = placeholder.start() + word.start()
                yield (number, at), (number, at + len(name))


def occurrence_at(
    place: Place, file: str, text: str, index: FolderIndex, files: EditorFiles
) -> tuple[Occurrence, tuple[Place, Place]] | None:
    """What is named at a place of a text, and from where to where; None where nothing is."""
    loaded = index.files.get(file)
    if loaded is None or loaded.text != text:
        return None
    scalars = scalars_of(file, text, files)
    here = [one.path for one in scalars if one.start <= place <= one.end]
    near = {path[:end] for path in here for end in range(len(path) + 1)}
    near |= {one.path for one in index.occurrences.get(file, ()) if one.path[:-1] in here}
    for occurrence in sorted(index.occurrences.get(file, ()), key=lambda one: -len(one.path)):
        if occurrence.path in near:
            for start, end in spans(occurrence, scalars, text):
                if start <= place <= end:
                    return occurrence, (start, end)
    return None


def word_at(place: Place, text: str) -> tuple[str, tuple[Place, Place]]:
    """The word at a place, and from where to where; "" for none."""
    line, column = place
    lines = text.split("\n")
    for word in re.finditer(r"[\w.-]+", lines[line] if line < len(lines) else ""):
        if word.start() <= column <= word.end():
            return word[0], ((line, word.start()), (line, word.end()))
    return "", (place, place)
