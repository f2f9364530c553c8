"""A small deliberate change to a rule file, value set or drug table, as an edit of what its author wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from pydantic import ValidationError

from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.loader import Rulebook
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile


class MutantKind(Enum):
    """What sort of change it is."""

    DROPPED = "condition dropped"
    NEGATED = "condition negated"
    SWAPPED = "and/or swapped"
    HOW_MANY = "how many of"
    THRESHOLD = "threshold moved"
    STRICTNESS = "comparison strictness"
    CODE = "code removed"
    WINDOW = "window changed"
    NONE_FOUND = "if_none_found flipped"
    UNKNOWN = "unknown read as false"
    STATUS = "status filter"
    LOOKS_FOR = "what a fact looks for"


class Removal(Enum):
    """In place of a value: the key or list item is taken away."""

    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One small mistake put into a rule file on purpose.

    Attributes:
        name: "resistant: without `symptomatic`"; unique, and the same as long as the rule says the same.
        kind: What sort.
        file, line, column: Where.
        paths: The places of the edit in the file; several where an alias repeats what is written once.
        value: What stands there instead.
        target: The fact, conclusion, card, parameter, value set or drug it is made in.
        patient: A sentence: which patient would be treated differently.
        safety: Whether it is made in a file whose `about` says `safety: true`.
    """

    name: str
    kind: MutantKind
    file: str
    line: int
    column: int
    paths: tuple[Path, ...]
    value: Any
    target: str
    patient: str
    safety: bool = False


@dataclass(frozen=True, slots=True)
class MutationSite:
    """Where changes are being made: a file, its safety, and the thing in it."""

    loaded: LoadedFile[Any]
    target: str
    safety: bool

    def change(self, kind: MutantKind, path: Path, value: Any, *, what: str, patient: str) -> Mutant:
        """A change of this thing."""
        line, column = self.loaded.located.at(path)
        return Mutant(
            name=f"{self.target}: {what}",
            kind=kind,
            file=self.loaded.file,
            line=line,
            column=column,
            paths=(path,),
            value=value,
            target=self.target,
            patient=patient,
            safety=self.safety,
        )


def applied(book: Rulebook, change: Mutant) -> Rulebook | None:
    """The rulebook with the change made; None when the format forbids it, so that no author could write it."""
    try:
        for name, rule in book.rules.items():
            if rule.file == change.file:
                return replace(book, rules={**book.rules, name: _changed(rule, change, RuleFile)})
        for name, table in book.tables.items():
            if table.file == change.file:
                return replace(book, tables={**book.tables, name: _changed(table, change, DrugFile)})
        sets = [_changed(one, change, ValueSetFile) if one.file == change.file else one for one in book.sets]
    except ValidationError:
        return None
    return replace(book, sets=sets)


def _changed(loaded: LoadedFile[Any], change: Mutant, model: Any) -> LoadedFile[Any]:
    value = loaded.located.value
    for path in change.paths:
        value = _edited(value, path, change.value)
    return replace(loaded, model=model.model_validate(value))


def _edited(value: Any, path: Path, new: Any) -> Any:
    """Plain values with another value at a path; what is beside the path is shared, not copied."""
    if not path:
        return new
    step: Any = path[0]
    if isinstance(value, list):
        if new is Removal.GONE and len(path) == 1:
            return [item for index, item in enumerate(value) if index != step]
        return [_edited(item, path[1:], new) if index == step else item for index, item in enumerate(value)]
    if new is Removal.GONE and len(path) == 1:
        return {key: item for key, item in value.items() if key != step}
    return {**value, step: _edited(value.get(step), path[1:], new)}


def step_of(number: float) -> float:
    """One step of a number: 1 for a whole one, else 1 in its last decimal place (0.75 → 0.01)."""
    decimals = len(f"{number:.10g}".partition(".")[2])
    return 1 if not decimals else float(f"1e-{decimals}")


def moved(number: float) -> Iterator[tuple[str, float]]:
    """A number one step up and one step down, each with the word for it."""
    step = step_of(number)
    for word, other in (("up", number + step), ("down", number - step)):
        yield word, math.floor(other) if step == 1 else float(f"{other:.10g}")


def unique(changes: Iterator[Mutant]) -> Iterator[Mutant]:
    """
    The changes, later ones of the same name numbered.

    What an alias repeats is changed everywhere at once, as its author would: it is written once.
    """
    written: dict[tuple[str, int, int, MutantKind, str], Mutant] = {}
    for change in changes:
        key = (change.file, change.line, change.column, change.kind, change.name.removeprefix(change.target))
        if key in written and change.paths[0] not in written[key].paths:
            written[key] = replace(written[key], paths=written[key].paths + change.paths)
        else:
            written.setdefault(key, change)
    seen: dict[str, int] = {}
    for change in written.values():
        seen[change.name] = seen.get(change.name, 0) + 1
        number = seen[change.name]
        yield change if number == 1 else replace(change, name=f"{change.name} ({number})")


def labels_of(book: Rulebook) -> Mapping[str, str]:
    """Fact or conclusion → what a clinician calls it."""
    rules = [rule.model for rule in book.rules.values()]
    facts = {name: fact.label or name.replace("_", " ") for rule in rules for name, fact in rule.facts.items()}
    return facts | {name: conclusion.label for rule in rules for name, conclusion in rule.conclusions.items()}
