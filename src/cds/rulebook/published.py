"""Definitions of others: which rule files hold them, and which of these files a decision is made with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, Rule, definitions, readings
from cds.yaml_source.problem import Problem, RulesError

ALL = "all"
"""The word for every published definition, where ids are asked for."""


def published_ids(book: Rulebook) -> tuple[str, ...]:
    """Ids of every published definition of a rulebook, in the order of its files."""
    return tuple(name for rule in book.rules.values() for name in rule.model.published)


def with_definitions(book: Rulebook, shown: Collection[str]) -> Rulebook:
    """
    The rulebook with these published definitions, and without the files of all others.

    A file that holds published definitions is left out unless one of them is shown, or a file that stays reads a name
    of it. So what is not asked for is neither looked for nor concluded, and no answer holds it.

    Raises:
        RulesError: An id is none of the published definitions.
    """
    known = published_ids(book)
    if ALL in shown:
        return book
    unknown = sorted(set(shown) - set(known))
    if unknown:
        what = f"`{unknown[0]}` is no published definition."
        fix = f"Write {ALL}, or some of {', '.join(known)}."
        raise RulesError((Problem(str(book.root), 0, 0, "unknown-definition", what, fix),))
    kept = {name for name, rule in book.rules.items() if not rule.model.published}
    kept |= {name for name, rule in book.rules.items() if not set(rule.model.published).isdisjoint(shown)}
    home = {one.name: name for name, rule in book.rules.items() for one in definitions(rule)}
    to_do = list(kept)
    while to_do:
        for name in _names_read(book.rules[to_do.pop()]):
            if (file := home.get(name)) is not None and file not in kept:
                kept.add(file)
                to_do.append(file)
    return replace(book, rules={name: rule for name, rule in book.rules.items() if name in kept})


def _names_read(rule: Rule) -> Iterator[str]:
    return (reading.name for reading in readings(rule) if isinstance(reading, NameReference))
