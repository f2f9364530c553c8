"""A condition as its author wrote it → words, with labels for names and values for parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds.engine.explain import UNITS
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
from cds.rulebook.loader import Rulebook

SIGNS = {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}


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
    """

    labels: Mapping[str, str]
    values: Mapping[str, str]
    definitions: Mapping[str, str]

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
                values[name] = f"{spec.value} {unit_words(spec.unit)}".rstrip()
            if rule.model.definitions is not None:
                definitions |= {name: one.label for name, one in rule.model.definitions.are.items()}
        return NameMeanings(labels, values, definitions)


def unit_words(code: str | None) -> str:
    """A unit as people write it; nothing for none, and for an annotation such as {score}."""
    return "" if not code or code.startswith("{") else UNITS.get(code, code)


def words_of(statement: Any, named: NameMeanings) -> ConditionWording:
    """A condition in words."""
    match statement:
        case str():
            return ConditionWording(named.labels.get(statement, statement))
        case AllOf():
            return _several("all of", statement.all, named)
        case AnyOf():
            return _several("any of", statement.any, named)
        case AtLeastOf():
            return ConditionWording(
                f"at least {statement.at_least} of", tuple(words_of(part, named) for part in statement.of)
            )
        case NotThis():
            return _before("not", statement.not_, named)
        case UnknownThis():
            return _before("cannot tell", statement.unknown, named)
        case PossiblyThis():
            return _before("cannot be ruled out", statement.possibly, named)
        case UnderDefinition():
            name = named.definitions.get(statement.definition, statement.definition)
            return ConditionWording(f"met under the definition “{name}”")
        case Comparing():
            ((name, limits),) = statement.root.items()
            return ConditionWording(f"{named.labels.get(name, name)}: {_limits(limits, named)}")
    raise TypeError(f"{type(statement).__name__} is no condition")


def _several(word: str, parts: list[Any], named: NameMeanings) -> ConditionWording:
    told = tuple(words_of(part, named) for part in parts)
    return told[0] if len(told) == 1 else ConditionWording(word, told)


def _before(word: str, part: Any, named: NameMeanings) -> ConditionWording:
    inner = words_of(part, named)
    return ConditionWording(word, (inner,)) if inner.parts else ConditionWording(f"{word}: {inner.text}")


def _limits(limits: Limits, named: NameMeanings) -> str:
    if limits.between is not None:
        low, high = (_value(end, named) for end in limits.between)
        return f"from {low} to {high}"
    return " and ".join(
        f"{sign} {_value(limit, named)}" for key, sign in SIGNS.items() if (limit := getattr(limits, key)) is not None
    )


def _value(limit: float | str, named: NameMeanings) -> str:
    return named.values.get(limit, limit) if isinstance(limit, str) else f"{limit:g}"
