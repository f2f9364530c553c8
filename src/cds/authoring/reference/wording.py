"""A condition as its author wrote it → words, with labels for names and values for parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds.engine.explain import UNITS
from cds.locale.catalog import Catalog
from cds.locale.sentence import counted, counted_again, join_texts, say
from cds.rulebook.format.conditions import (
    AllOf,
    AnyOf,
    AtLeastOf,
    Comparing,
    Limits,
    NotThis,
    PossiblyThis,
    UnderDefinition,
    UnknownThis,
)
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.loader import Rulebook

AMOUNTS: Mapping[str, str] = {
    "days": counted("{number} day", "{number} days", 1),
    "weeks": counted("{number} week", "{number} weeks", 1),
    "months": counted("{number} month", "{number} months", 1),
    "years": counted("{number} year", "{number} years", 1),
    "h": counted("{number} hour", "{number} hours", 1),
    "min": counted("{number} minute", "{number} minutes", 1),
    "drugs": counted("{number} drug", "{number} drugs", 1),
    "trials": counted("{number} trial", "{number} trials", 1),
    "switches": counted("{number} switch", "{number} switches", 1),
    "diagnoses": counted("{number} diagnosis", "{number} diagnoses", 1),
    "issues": counted("{number} issue", "{number} issues", 1),
    "sessions": counted("{number} session", "{number} sessions", 1),
    "things": counted("{number} thing", "{number} things", 1),
    "times": counted("{number} time", "{number} times", 1),
    "items": counted("{number} item", "{number} items", 1),
    "points": counted("{number} point", "{number} points", 1),
}
"""Unit → a number of it, to be counted again."""


@dataclass(frozen=True, slots=True)
class ConditionWording:
    """One part of a condition, and the parts below it."""

    text: str
    parts: tuple[ConditionWording, ...] = ()


@dataclass(frozen=True, slots=True)
class NameMeanings:
    """
    What names stand for.

    Attributes:
        labels: Fact or conclusion → what a clinician reads.
        values: Parameter → its value and unit, in words.
        definitions: Definition → its label.
        sets: Value set → its file.
        tables: Drug table → its title.
        words: What the program writes, in the language of the rules.
    """

    labels: Mapping[str, str]
    values: Mapping[str, str]
    definitions: Mapping[str, str]
    sets: Mapping[str, ValueSetFile]
    tables: Mapping[str, str]
    words: Catalog

    @staticmethod
    def of(book: Rulebook) -> NameMeanings:
        """The names of a rulebook."""
        labels: dict[str, str] = {}
        values: dict[str, str] = {}
        definitions: dict[str, str] = {}
        for rule in book.rules.values():
            labels |= {name: spec.label or name for name, spec in rule.model.facts.items()}
            labels |= {name: spec.label for name, spec in rule.model.conclusions.items()}
            for name, spec in rule.model.parameters.items():
                values[name] = amount(spec.value, spec.unit, book.words)
            if rule.model.definitions is not None:
                definitions |= {name: one.label for name, one in rule.model.definitions.are.items()}
        sets = {str(one.model.valueset.id): one.model for one in book.sets if one.model.valueset.id}
        tables = {name: one.model.table.title for name, one in book.tables.items()}
        return NameMeanings(labels, values, definitions, sets, tables, book.words)


def unit_words(code: str | None) -> str:
    """A unit as people write it; nothing for none, and for an annotation such as {score}."""
    return "" if not code or code.startswith("{") else UNITS.get(code, code)


def amount(value: float | str, unit: str | None, words: Catalog) -> str:
    """The value of a parameter with its unit, as people write it: "1 day", "6 weeks", "160 mmHg"; a word as it is."""
    if isinstance(value, str):
        return value
    if unit == "percent":
        return f"{value:g} %"
    if (unit or "") in AMOUNTS:
        return words(counted_again(AMOUNTS[str(unit)], value))
    return f"{value:g} {unit_words(unit)}".rstrip()


def words_of(statement: Any, named: NameMeanings) -> ConditionWording:
    """A condition in words."""
    match statement:
        case str():
            return ConditionWording(named.labels.get(statement, statement))
        case AllOf():
            return _several(say("all of"), statement.all, named)
        case AnyOf():
            return _several(say("any of"), statement.any, named)
        case AtLeastOf():
            return ConditionWording(
                named.words.say("at least {number} of", number=statement.at_least),
                tuple(words_of(part, named) for part in statement.of),
            )
        case NotThis():
            return _before(say("not"), statement.not_, named)
        case UnknownThis():
            return _before(say("unknown whether"), statement.unknown, named)
        case PossiblyThis():
            return _before(say("cannot be ruled out"), statement.possibly, named)
        case UnderDefinition():
            name = named.definitions.get(statement.definition, statement.definition)
            return ConditionWording(named.words.say("met under the definition “{name}”", name=name))
        case Comparing():
            ((name, limits),) = statement.root.items()
            return ConditionWording(f"{named.labels.get(name, name)}: {_limits(limits, named)}")
    raise TypeError(f"{type(statement).__name__} is no condition")


def _several(word: str, parts: list[Any], named: NameMeanings) -> ConditionWording:
    told = tuple(words_of(part, named) for part in parts)
    return told[0] if len(told) == 1 else ConditionWording(named.words(word), told)


def _before(word: str, part: Any, named: NameMeanings) -> ConditionWording:
    inner = words_of(part, named)
    said = named.words(word)
    return ConditionWording(said, (inner,)) if inner.parts else ConditionWording(f"{said}: {inner.text}")


def _limits(limits: Limits, named: NameMeanings) -> str:
    if limits.between is not None:
        low, high = (_value(end, named) for end in limits.between)
        return named.words.say("from {low} to {high}", low=low, high=high)
    told = [
        sentence
        for limit, sentence in (
            (limits.at_least, say("at least {limit}", limit=_value(limits.at_least, named))),
            (limits.above, say("above {limit}", limit=_value(limits.above, named))),
            (limits.at_most, say("at most {limit}", limit=_value(limits.at_most, named))),
            (limits.below, say("below {limit}", limit=_value(limits.below, named))),
        )
        if limit is not None
    ]
    return named.words(join_texts(say(" and "), told))


def _value(limit: float | str | None, named: NameMeanings) -> str:
    if limit is None:
        return ""
    return named.values.get(limit, limit) if isinstance(limit, str) else f"{limit:g}"
