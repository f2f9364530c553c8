"""Files that are left out of a decision until asked for: definitions of others, and questions to populations."""

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


def with_definitions(book: Rulebook, shown: Collection[str], cohorts: bool = False) -> Rulebook:
    """
    The rulebook with these published definitions, and without the files of all others; with its questions if asked.

    A file that holds published definitions is left out unless one of them is shown, or a file that stays reads a name
    of it. So what is not asked for is neither looked for nor concluded, and no answer holds it.

    Raises:
        RulesError: An id is none of the published definitions.
    """
    known = published_ids(book)
    unknown = sorted(set(shown) - {*known, ALL})
    if unknown:
        what = f"`{unknown[0]}` is no published definition."
        fix = f"Write {ALL}, or some of {', '.join(known)}."
        raise RulesError((Problem(str(book.root), 0, 0, "unknown-definition", what, fix),))
    kept = {name for name, rule in book.rules.items() if _is_asked_for(rule, frozenset(shown), cohorts)}
    home = {one.name: name for name, rule in book.rules.items() for one in definitions(rule)}
    to_do = list(kept)
    while to_do:
        for name in _names_read(book.rules[to_do.pop()]):
            if (file := home.get(name)) is not None and file not in kept:
                kept.add(file)
                to_do.append(file)
    return replace(book, rules={name: rule for name, rule in book.rules.items() if name in kept})


def _is_asked_for(rule: Rule, shown: Collection[str], cohorts: bool) -> bool:
    if rule.model.cohorts and not cohorts:
        return False
    published = rule.model.published
    return not published or ALL in shown or not published.keys().isdisjoint(shown)


def _names_read(rule: Rule) -> Iterator[str]:
    return (reading.name for reading in readings(rule) if isinstance(reading, NameReference))
