"""Rulebook → the truths that each name, and each part of a condition, can have, whatever a record holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from math import prod
from typing import Any

from cds.facts.kind import Numbers
from cds.logic import conditions as c
from cds.logic.truth import KNOWN, TRUTHS, Truth
from cds.rulebook.compile import compile_condition
from cds.rulebook.definitions import rewritten
from cds.rulebook.format.conditions import Comparing, UnderDefinition
from cds.rulebook.loader import Rulebook

MOST_TRIED = 729  # all answers to six names

Truths = frozenset[Truth]


class Possible:
    """
    Which truths can come out, the names inside a condition taken to be independent of each other.

    So a truth that is not among them cannot come out. One that is may still be impossible: where names depend on each
    other, or a condition reads more of them than are tried.
    """

    def __init__(self, book: Rulebook) -> None:
        rules = [rule.model for rule in book.rules.values()]
        self._conclusions = {name: spec.condition() for rule in rules for name, spec in rule.conclusions.items()}
        self._names = {name: fact.truths() for rule in rules for name, fact in rule.facts.items()}

    def name(self, name: str) -> Truths:
        """The truths of a fact or conclusion."""
        if name not in self._names:
            self._names[name] = TRUTHS  # for what is no name, and for what needs itself: mistakes, told elsewhere
            if name in self._conclusions:
                self._names[name] = self.of(self._conclusions[name])
        return self._names[name]

    def of(self, statement: Any) -> Truths:
        """The truths of a condition, or of a part of one, as a rule file writes it."""
        return self._of(compile_condition(rewritten(statement, _as_name), Numbers({}), {}))

    def never_unknown(self) -> frozenset[str]:
        """The facts and conclusions that are true or false, whatever a record holds."""
        return frozenset(name for name in (*self._conclusions, *self._names) if self.name(name) <= KNOWN)

    def _of(self, condition: c.Condition) -> Truths:
        names = sorted(c.names_in(condition))
        truths = [self.name(name) for name in names]
        if prod(map(len, truths)) > MOST_TRIED:
            return _combined(condition, [self._of(part) for part in c.parts_of(condition)])
        answers = (dict(zip(names, each, strict=True)) for each in product(*truths))
        return frozenset(condition.truth(answer.__getitem__, {}) for answer in answers)


def _as_name(part: Any) -> str | None:
    """A comparison, or a definition, as a name of its own."""
    return repr(part) if isinstance(part, Comparing | UnderDefinition) else None


def _combined(condition: c.Condition, parts: Sequence[Truths]) -> Truths:
    """What comes out of the truths of its parts, independent of each other."""
    match condition:
        case c.All():
            return reduce(lambda one, other: _both(c.All, one, other), parts)
        case c.Any():
            return reduce(lambda one, other: _both(c.Any, one, other), parts)
        case c.AtLeast():
            return KNOWN if all(part <= KNOWN for part in parts) else TRUTHS
        case c.Not():
            return frozenset(~truth for truth in parts[0])
        case c.Unknown():
            return frozenset(Truth.of(truth is Truth.UNKNOWN) for truth in parts[0])
        case c.Possibly():
            return frozenset(Truth.of(truth is not Truth.FALSE) for truth in parts[0])
    raise TypeError(f"{type(condition).__name__} has no parts")


def _both(group: type[c.All | c.Any], one: Truths, other: Truths) -> Truths:
    pair = group((c.Name("one"), c.Name("other")))
    return frozenset(pair.truth({"one": a, "other": b}.__getitem__, {}) for a in one for b in other)
