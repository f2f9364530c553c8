"""Every name of a rulebook: where it is defined, where it is read, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cds.facts.kind import (
    COURSE,
    DRAFT,
    EPISODE,
    FACTS,
    HISTORY,
    NUMBER,
    PRESENT,
    SCORE,
    STATEMENT,
    TRACED,
    TREATMENT,
    TRIALS,
    WORD,
    FactBase,
)
from cds.rulebook.format import rule_file as f
from cds.rulebook.format.about import Parameter
from cds.rulebook.format.conditions import (
    AllOf,
    AnyOf,
    AtLeastOf,
    Comparing,
    NotThis,
    PossiblyThis,
    UnderDefinition,
    UnknownThis,
)
from cds.rulebook.format.published import PublishedSpec
from cds.rulebook.placeholders import TextAt, leaflet_texts, placeholders_in, texts
from cds.yaml_source.document import Path
from cds.yaml_source.fields import DurationName, InUnit, NumberName, OneOf, OwnUnit, Refers, UnitOf, duration_days
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.marks import marked

Rule = LoadedFile[f.RuleFile]

CONCLUSION, PARAMETER, DEFINITION = "conclusion", "parameter", "definition"
# … and what a place may want besides.
LIMIT, DURATION, WORDS = "limit", "duration", "words"
SHOWN, ANY_FACT, SUMMARY, DEFINED = "shown", "fact", "summary", "defined"
COUNTED, COUNTED_PARAMETER = "counted", "counted parameter"

FITS: Mapping[str, frozenset[str]] = {
    STATEMENT: frozenset({STATEMENT, CONCLUSION}),
    PRESENT: frozenset({STATEMENT}),
    DRAFT: frozenset({STATEMENT}),
    TREATMENT: frozenset({STATEMENT}),
    COURSE: frozenset({STATEMENT}),
    NUMBER: frozenset({NUMBER}),
    SCORE: frozenset({NUMBER}),
    HISTORY: frozenset({NUMBER}),
    TRIALS: frozenset({TRIALS}),
    EPISODE: frozenset({EPISODE}),
    CONCLUSION: frozenset({CONCLUSION}),
    DEFINED: frozenset({CONCLUSION}),
    LIMIT: frozenset({PARAMETER}),
    DURATION: frozenset({PARAMETER}),
    WORDS: frozenset({PARAMETER}),
    WORD: frozenset({PARAMETER}),
    PARAMETER: frozenset({PARAMETER}),
    DEFINITION: frozenset({DEFINITION}),
    SHOWN: FACTS | {PARAMETER},
    ANY_FACT: FACTS,
    TRACED: frozenset({STATEMENT, NUMBER}),
    SUMMARY: frozenset({NUMBER, PARAMETER}),
    COUNTED: frozenset({NUMBER, PARAMETER}),
    COUNTED_PARAMETER: frozenset({PARAMETER}),
}
PLACEHOLDER_WANTS = {
    "": SHOWN,
    "why": CONCLUSION,
    "missing": CONCLUSION,
    "definitions": DEFINED,
    "trials": TRIALS,
    "references": ANY_FACT,
    "found": ANY_FACT,
    "when": ANY_FACT,
    "because": ANY_FACT,
    "recorders": ANY_FACT,
}


@dataclass(frozen=True)
class Definition:
    """
    One name that a rule file defines: of a fact, conclusion, parameter or definition.

    Attributes:
        name: The name.
        role: statement, number, trials or episode (facts), conclusion, parameter, or definition.
        spec: Its part of the file.
        rule: The file.
        path: Where in the file.
    """

    name: str
    role: str
    spec: Any
    rule: Rule
    path: Path

    @property
    def unit(self) -> str:
        """The unit of a number; "" for what is none."""
        if isinstance(self.spec, FactBase):
            return self.spec.answer_unit()
        if isinstance(self.spec, Parameter):
            return self.spec.unit or ""
        return ""


@dataclass(frozen=True)
class NameReference:
    """
    One place that reads a name.

    Attributes:
        name: The name, as written.
        wants: What must stand there (a key of FITS).
        rule: The file.
        path: Where in the file.
        beside: For a limit: the number fact it is compared with, "" for none.
        unit: For a limit that is compared with no fact: the unit it must have.
        placeholder: Whether it stands in a placeholder of a text.
        words: For a parameter that is a word: the words it may be.
    """

    name: str
    wants: str
    rule: Rule
    path: Path
    beside: str = ""
    unit: str = ""
    placeholder: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class BareNumber:
    """A number written where a parameter belongs."""

    number: float
    rule: Rule
    path: Path


@dataclass(frozen=True)
class ConditionAt:
    """
    A whole condition of a file.

    Attributes:
        statement: The condition.
        rule: The file.
        path: Where in the file.
        of: Name of the conclusion or card.
        card: "show_when", "note" or "suggestion" for a card's; "" for a conclusion's.
    """

    statement: Any
    rule: Rule
    path: Path
    of: str
    card: str = ""


def definitions(rule: Rule) -> Iterator[Definition]:
    """Every name a file defines."""
    for name, parameter in rule.model.parameters.items():
        yield Definition(name, PARAMETER, parameter, rule, ("parameters", name))
    for name, fact in rule.model.facts.items():
        yield Definition(name, fact.role, fact, rule, ("facts", name))
    for name, conclusion in rule.model.conclusions.items():
        yield Definition(name, CONCLUSION, conclusion, rule, ("conclusions", name))
    if rule.model.definitions:
        for name, definition in rule.model.definitions.are.items():
            yield Definition(name, DEFINITION, definition, rule, ("definitions", "are", name))


def conditions(rule: Rule) -> Iterator[ConditionAt]:
    """Every whole condition of a file."""
    for name, conclusion in rule.model.conclusions.items():
        path: Path = ("conclusions", name, "when") if conclusion.when is not None else ("conclusions", name)
        yield ConditionAt(conclusion.condition(), rule, path, name)
    for name, card in rule.model.cards.items():
        yield ConditionAt(card.show_when, rule, ("cards", name, "show_when"), name, "show_when")
        for index, note in enumerate(card.notes):
            yield ConditionAt(note.when, rule, ("cards", name, "notes", index, "when"), name, "note")
        for index, suggestion in enumerate(card.suggestions):
            if suggestion.when is not None:
                path = ("cards", name, "suggestions", index, "when")
                yield ConditionAt(suggestion.when, rule, path, name, "suggestion")


def parts(statement: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """The conditions directly inside one, each with its place."""

    def listed(key: str, statements: Iterable[Any]) -> Iterator[tuple[Any, Path]]:
        return ((part, (*path, key, index)) for index, part in enumerate(statements))

    match statement:
        case AllOf():
            yield from listed("all", statement.all)
        case AnyOf():
            yield from listed("any", statement.any)
        case AtLeastOf():
            yield from listed("of", statement.of)
        case NotThis():
            yield statement.not_, (*path, "not")
        case UnknownThis():
            yield statement.unknown, (*path, "unknown")
        case PossiblyThis():
            yield statement.possibly, (*path, "possibly")


def walk(statement: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """A condition and everything inside it, each with its place, outermost first."""
    yield statement, path
    for part, part_path in parts(statement, path):
        yield from walk(part, part_path)


def compared(statement: Comparing, path: Path) -> tuple[str, list[tuple[float | str, Path]], Path]:
    """The fact of a comparison, its limits with their places, and the place of the fact."""
    ((fact, limits),) = statement.root.items()
    here = (*path, fact)
    found: list[tuple[float | str, Path]] = []
    for word in ("at_least", "above", "at_most", "below"):
        limit = getattr(limits, word)
        if limit is not None:
            found.append((limit, (*here, word)))
    found.extend((end, (*here, "between", index)) for index, end in enumerate(limits.between or []))
    return fact, found, here


def readings(rule: Rule) -> Iterator[NameReference | BareNumber]:
    """Every name a file reads, and every number it writes where a name belongs."""
    for condition in conditions(rule):
        yield from _in_condition(rule, condition)
    for name, fact in rule.model.facts.items():
        yield from in_model(rule, fact, ("facts", name), own_unit=fact.answer_unit())
    for name, card in rule.model.cards.items():
        for text in texts(card, ("cards", name)):
            yield from _in_text(rule, text)
    for name, published in rule.model.published.items():
        yield from _in_published(rule, published, ("published", name))
    for name, cohort in rule.model.cohorts.items():
        yield NameReference(cohort.is_, CONCLUSION, rule, ("cohorts", name, "is"))
        if cohort.lacks is not None:
            here = ("cohorts", name, "lacks")
            yield NameReference(cohort.lacks.of, CONCLUSION, rule, (*here, "of"))
            yield limit_or_number(cohort.lacks.at_most, rule, (*here, "at_most"), unit="things")
    if rule.model.definitions:
        yield NameReference(rule.model.definitions.of, CONCLUSION, rule, ("definitions", "of"))
        yield NameReference(rule.model.definitions.chosen_by, WORD, rule, ("definitions", "chosen_by"))
        for name, definition in rule.model.definitions.are.items():
            for parameter in definition.with_:
                yield NameReference(parameter, PARAMETER, rule, ("definitions", "are", name, "with", parameter))
    for name, leaflet in rule.model.leaflets.items():
        for text in leaflet_texts(leaflet, ("leaflets", name)):
            for placeholder in placeholders_in(text.text):
                named = placeholder.text if placeholder.word else placeholder.name or placeholder.text
                wants = COUNTED_PARAMETER if placeholder.forms else PARAMETER
                yield NameReference(named, wants, rule, text.path)
    if rule.model.lists:
        yield from in_model(rule, rule.model.lists, ("lists",))


def _in_published(rule: Rule, spec: PublishedSpec, path: Path) -> Iterator[NameReference | BareNumber]:
    yield NameReference(spec.is_, CONCLUSION, rule, (*path, "is"))
    for index, criterion in enumerate(spec.criteria):
        yield NameReference(criterion, CONCLUSION, rule, (*path, "criteria", index))
    for index, day in enumerate(spec.index_day):
        here = (*path, "index_day", index)
        yield NameReference(day.fact, ANY_FACT if day.reaches is None else NUMBER, rule, (*here, "fact"))
        if day.reaches is not None:
            yield limit_or_number(day.reaches, rule, (*here, "reaches"), beside=day.fact)


def read_by(found: Iterable[NameReference | BareNumber]) -> dict[str, set[str]]:
    """Fact or conclusion → the names it reads."""
    reads: dict[str, set[str]] = {}
    for reading in found:
        if isinstance(reading, NameReference) and reading.path[0] in ("facts", "conclusions"):
            reads.setdefault(str(reading.path[1]), set()).add(reading.name)
    return reads


def below(name: str, reads: Mapping[str, set[str]]) -> frozenset[str]:
    """A name and everything it rests on."""
    seen: set[str] = set()
    to_do = [name]
    while to_do:
        one = to_do.pop()
        if one not in seen:
            seen.add(one)
            to_do.extend(reads.get(one, ()))
    return frozenset(seen)


def _in_condition(rule: Rule, condition: ConditionAt) -> Iterator[NameReference | BareNumber]:
    for statement, path in walk(condition.statement, condition.path):
        if isinstance(statement, str):
            yield NameReference(statement, STATEMENT, rule, path)
        elif isinstance(statement, UnderDefinition):
            yield NameReference(statement.definition, DEFINITION, rule, (*path, "definition"))
        elif isinstance(statement, Comparing):
            fact, limits, here = compared(statement, path)
            yield NameReference(fact, NUMBER, rule, here)
            for limit, limit_path in limits:
                yield limit_or_number(limit, rule, limit_path, beside=fact)


def limit_or_number(
    limit: float | str, rule: Rule, path: Path, *, beside: str = "", unit: str = ""
) -> NameReference | BareNumber:
    """What stands where a limit belongs: the name of a parameter, or a number."""
    try:
        return BareNumber(float(limit), rule, path)
    except ValueError:
        return NameReference(str(limit), LIMIT, rule, path, beside=beside, unit=unit)


def in_model(rule: Rule, model: BaseModel, path: Path, *, own_unit: str = "") -> Iterator[NameReference | BareNumber]:
    """Every name a part of a file reads, and every number where a parameter belongs, as the types of its fields say."""
    for one in marked(model, path):
        if refers := one.mark(Refers):
            yield NameReference(one.value, refers.wants, rule, one.path)
        elif (words := one.mark(OneOf)) and one.value not in words.words:
            yield NameReference(one.value, WORDS, rule, one.path, words=words.words)
        elif one.mark(DurationName) and duration_days(one.value) is None:
            yield NameReference(one.value, DURATION, rule, one.path)
        elif one.mark(NumberName):
            unit, beside = one.mark(InUnit), one.mark(UnitOf)
            yield limit_or_number(
                one.value,
                rule,
                one.path,
                beside=str(getattr(one.within, beside.field)) if beside else "",
                unit=unit.unit if unit else own_unit if one.mark(OwnUnit) else "",
            )


def _in_text(rule: Rule, text: TextAt) -> Iterator[NameReference]:
    for placeholder in placeholders_in(text.text):
        if not placeholder.name or placeholder.word not in PLACEHOLDER_WANTS:
            continue
        wants = SUMMARY if text.place == "summary" and not placeholder.word else PLACEHOLDER_WANTS[placeholder.word]
        wants = COUNTED if placeholder.forms else wants
        yield NameReference(placeholder.name, wants, rule, text.path, placeholder=True)
