"""Rulebook → every mistake in it, said so that its author can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds.rulebook.lint import (
    attributes,
    cards,
    codes,
    conditions,
    definitions,
    drugs,
    files,
    lists,
    names,
    numbers,
    site,
    vocabulary,
)
from cds.rulebook.lint.view import Check, look_at
from cds.rulebook.loader import Rulebook
from cds.yaml_source.problem import Problem

CHECKS: tuple[Check, ...] = (
    *names.CHECKS,
    *numbers.CHECKS,
    *conditions.CHECKS,
    *codes.CHECKS,
    *drugs.CHECKS,
    *definitions.CHECKS,
    *files.CHECKS,
    *cards.CHECKS,
    *attributes.CHECKS,
    *lists.CHECKS,
    *vocabulary.CHECKS,
    *site.CHECKS,
)


def check(book: Rulebook, *, today: date) -> list[Problem]:
    """
    All mistakes at once, by file and line: those of form, and those only seen when the files are looked at together.

    Files that could not be read are left out, and nobody is told that a name is unknown which such a file may define.
    `today` judges whether a review is overdue.
    """
    view = look_at(book, today)
    return sorted({*book.problems, *(problem for run in CHECKS for problem in run(view))})


def keeping_from_running(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """
    The errors with which rules cannot run.

    Source attributes are not among them: they say something about a file and decide nothing, patients should not lose
    their cards for one that is missing, and older revisions are still compared and replayed.
    """
    return tuple(problem for problem in problems if not problem.warning and problem.check not in attributes.NAMES)


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether any of them keeps the rules from running; warnings do not."""
    return any(not problem.warning for problem in problems)
