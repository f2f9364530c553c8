"""View: a rulebook as the checks look at it, with every name looked up once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path as FilePath
from typing import Any

from cds.facts.kind import FactBase
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import BareNumber, Definition, NameReference, Rule, definitions, readings
from cds.yaml_source.document import Path
from cds.yaml_source.fields import DrugTableName, ValueSetName
from cds.yaml_source.marks import Mark, MarkedValue, marked
from cds.yaml_source.problem import Problem

_KEY = re.compile(r"""([a-z][a-z0-9_-]*)["']?\s*:""")
_ID = re.compile(r"\b(?:id|adds_to):\s*([a-z][a-z0-9-]*)")
_WORD = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class RulebookView:
    """
    A rulebook, looked at.

    Attributes:
        book: The rulebook.
        today: The day reviews are judged by.
        definitions: Name → where it is defined; more than once is a mistake.
        readings: Every place that reads a name.
        bare_numbers: Every number where a parameter belongs.
        formerly: Old name → new name.
        perhaps_defined: Names that files which could not be read may define.
        perhaps_read: Names they may read.
        blind: A file could not be opened at all, so nothing can be said to be unknown or unused.
    """

    book: Rulebook
    today: date
    definitions: Mapping[str, tuple[Definition, ...]]
    readings: tuple[NameReference, ...]
    bare_numbers: tuple[BareNumber, ...]
    formerly: Mapping[str, str]
    perhaps_defined: frozenset[str]
    perhaps_read: frozenset[str]
    blind: bool

    @property
    def rules(self) -> list[Rule]:
        """Every rule file."""
        return list(self.book.rules.values())

    def one(self, name: str) -> Definition | None:
        """What a name stands for; None when it is not defined."""
        found = self.definitions.get(name)
        return found[0] if found else None

    def may_be_defined(self, name: str) -> bool:
        """Whether a file that could not be read may define it; then nobody is told that it is unknown."""
        return self.blind or name in self.perhaps_defined

    def may_be_read(self, name: str) -> bool:
        """Whether a file that could not be read may read it; then nobody is told that it is unused."""
        return self.blind or name in self.perhaps_read

    def place(self, file: str) -> tuple[str, ...]:
        """Parts of a file's path under the rules folder."""
        path, base = FilePath(file), self.book.base
        inside = path.is_relative_to(self.book.root) or base is None
        return path.relative_to(self.book.root if inside or base is None else base).parts


Check = Callable[[RulebookView], Iterator[Problem]]


def look_at(book: Rulebook, today: date) -> RulebookView:
    """Look every name up once."""
    defined: defaultdict[str, list[Definition]] = defaultdict(list)
    formerly: dict[str, str] = {}
    read: list[NameReference] = []
    bare: list[BareNumber] = []
    for rule in book.rules.values():
        for definition in definitions(rule):
            defined[definition.name].append(definition)
            formerly.update(dict.fromkeys(definition.spec.formerly, definition.name))
        for reading in readings(rule):
            if isinstance(reading, BareNumber):
                bare.append(reading)
            else:
                read.append(reading)
    return RulebookView(
        book=book,
        today=today,
        definitions={name: tuple(found) for name, found in defined.items()},
        readings=tuple(read),
        bare_numbers=tuple(bare),
        formerly=formerly,
        perhaps_defined=perhaps_defined(book),
        perhaps_read=frozenset(name for text in book.broken.values() for name in _WORD.findall(text)),
        blind=is_blind(book),
    )


def perhaps_defined(book: Rulebook) -> frozenset[str]:
    """Names that files which could not be read may define."""
    keys = (name for text in book.broken.values() for pattern in (_KEY, _ID) for name in pattern.findall(text))
    return frozenset(keys) | {FilePath(file).stem for file in book.broken}


def is_blind(book: Rulebook) -> bool:
    """Whether a file could not be opened at all, so that no name can be said to be unknown."""
    return not all(book.broken.values())


def coded(rule: Rule) -> Iterator[tuple[str, Path]]:
    """Every value set a file reads, with its place."""
    return ((one.value, one.path) for one, _ in marked_with(rule, ValueSetName))


def marked_with(rule: Rule, mark: type[Mark]) -> Iterator[tuple[MarkedValue, Mark]]:
    """Every text and number in the facts of a file whose field has a mark, with the mark."""
    for name, fact in rule.model.facts.items():
        for one in marked(fact, ("facts", name)):
            if (found := one.mark(mark)) is not None:
                yield one, found


def lists_marked(rule: Rule, mark: type[Mark]) -> Iterator[tuple[list[Any], Path]]:
    """Every list in the facts of a file that has a mark, or whose parts have, with its place; one text is a list."""
    found: dict[Path, list[Any]] = {}
    for one, _ in marked_with(rule, mark):
        found.setdefault(_list_of(one.path), []).append(one.value)
    return ((values, path) for path, values in found.items())


def _list_of(path: Path) -> Path:
    last = max((at for at, part in enumerate(path) if isinstance(part, int)), default=len(path))
    return path[:last]


def tables_read(fact: FactBase) -> Iterator[str]:
    """The drug tables a fact reads."""
    return (one.value for one in marked(fact) if one.mark(DrugTableName))
