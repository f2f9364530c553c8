"""Checks of conditions: each can come out both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from cds.rulebook.format.conditions import AllOf, AnyOf, AtLeastOf, Comparing, NotThis, PossiblyThis, UnknownThis
from cds.rulebook.lint.numbers import value_of
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.references import ConditionAt, compared, conditions, parts, walk
from cds.yaml_source.document import Path
from cds.yaml_source.problem import Problem

BOTH_WAYS = "A condition that comes out one way only is either a slip or not needed."


def always_the_same(view: RulebookView) -> Iterator[Problem]:
    """Every condition can be true and can be false, as far as its own words tell."""
    for rule in view.rules:
        for whole in conditions(rule):
            if whole.card == "show_when" and never_true(whole.statement, view):
                yield rule.problem(
                    whole.path, "card-never-shown", f"`{whole.of}` can never be shown.",
                    "See which of its parts exclude each other.", warning=True,
                )  # fmt: skip
                continue
            yield from _in(whole, view)


def _in(whole: ConditionAt, view: RulebookView) -> Iterator[Problem]:
    for statement, path in walk(whole.statement, whole.path):
        never, always = never_true(statement, view), never_false(statement, view)
        inner = [part for part, _ in parts(statement, path)]
        if not (never or always) or any(never_true(part, view) or never_false(part, view) for part in inner):
            continue  # said of the part it comes from
        yield whole.rule.problem(
            path,
            "condition-always-false" if never else "condition-always-true",
            "This can never be true." if never else "This can never be false.",
            "See which of its parts exclude or repeat each other.",
            BOTH_WAYS,
            warning=True,
        )


def at_least_count(view: RulebookView) -> Iterator[Problem]:
    """`at_least` asks for one of its parts at the least, and for no more than it lists."""
    for rule in view.rules:
        for whole in conditions(rule):
            for statement, path in walk(whole.statement, whole.path):
                if isinstance(statement, AtLeastOf) and not _counts(statement):
                    listed = len(statement.of)
                    yield whole.rule.problem(
                        path, "at-least-count", f"{statement.at_least} of {listed} part(s) decides nothing.",
                        f"Write a number from 1 to {listed}.", "It would always or never be true.",
                    )  # fmt: skip


def _counts(statement: AtLeastOf) -> bool:
    return 1 <= statement.at_least <= len(statement.of)


def part_twice(view: RulebookView) -> Iterator[Problem]:
    """A list of conditions holds each once: in `at_least … of`, one said twice would count twice."""
    for rule in view.rules:
        for whole in conditions(rule):
            for statement, path in walk(whole.statement, whole.path):
                seen: list[Any] = []
                for part, part_path in parts(statement, path):
                    if part in seen:
                        yield _twice(whole, part_path)
                    seen.append(part)


def _twice(whole: ConditionAt, path: Path) -> Problem:
    return whole.rule.problem(
        path, "part-twice", "This stands twice in the same list.", "Remove one of them, or mend it.", warning=True
    )


def never_true(statement: Any, view: RulebookView) -> bool:
    """Whether the words of a condition alone show that it cannot be true."""
    match statement:
        case AllOf():
            listed = statement.all
            return any(never_true(part, view) for part in listed) or _opposites(listed) or _no_number_left(listed, view)
        case AnyOf():
            return all(never_true(part, view) for part in statement.any)
        case AtLeastOf():
            able = sum(not never_true(part, view) for part in statement.of)
            return _counts(statement) and able < statement.at_least
        case NotThis():
            return never_false(statement.not_, view)
        case UnknownThis():
            return isinstance(statement.unknown, UnknownThis | PossiblyThis)
    return False


def never_false(statement: Any, view: RulebookView) -> bool:
    """Whether the words of a condition alone show that it cannot be false."""
    match statement:
        case AllOf():
            return all(never_false(part, view) for part in statement.all)
        case AnyOf():
            return any(never_false(part, view) for part in statement.any) or _opposites(statement.any)
        case AtLeastOf():
            sure = sum(never_false(part, view) for part in statement.of)
            return _counts(statement) and sure >= statement.at_least
        case NotThis():
            return never_true(statement.not_, view)
        case PossiblyThis():
            return never_false(statement.possibly, view)
    return False


def _opposites(listed: Sequence[Any]) -> bool:
    return any(isinstance(part, NotThis) and part.not_ in listed for part in listed)


def _no_number_left(listed: Sequence[Any], view: RulebookView) -> bool:
    """Whether comparisons that must hold together leave no number for some fact."""
    left: dict[str, tuple[float, bool, float, bool]] = {}  # lowest, itself excluded, highest, itself excluded
    for part in listed:
        if not isinstance(part, Comparing):
            continue
        fact, limits, _ = compared(part, ())
        for limit, path in limits:
            value = value_of(limit, view)
            if value is None:
                continue
            low, above, high, below = left.get(fact, (-inf, False, inf, False))
            word = path[1] if path[1] != "between" else ("at_least", "at_most")[int(path[2])]
            if word in ("at_least", "above"):
                low, above = max((low, above), (value, word == "above"))
            else:
                high, not_below = min((high, not below), (value, word != "below"))
                below = not not_below
            left[fact] = (low, above, high, below)
    return any(low > high or (low == high and (above or below)) for low, above, high, below in left.values())


CHECKS = (always_the_same, at_least_count, part_twice)
