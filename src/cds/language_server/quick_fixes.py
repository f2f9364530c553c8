"""What an editor offers for the mistakes of a file: what `cds fix` does, and the names that messages ask about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from cds.authoring.fix.fix import Edit, Fix
from cds.authoring.fix.fixes import fixes_of, place_of
from cds.rulebook.loader import Rulebook
from cds.yaml_source.problem import Problem

ASKED = re.compile(r"Did you mean `([^`]+)`\?|It is called `([^`]+)` now\.")
WRONG = re.compile(r"`([^`]+)`")


def offered(book: Rulebook, problems: Iterable[Problem], file: str, text: str, today: date) -> list[Fix]:
    """
    What can be corrected in one file: all that `cds fix` corrects, then each name that a message asks about.

    The author chooses; of names, `cds fix` by itself writes only those that are a slip of the pen away.
    """
    mine = [problem for problem in problems if problem.file == file]
    found = fixes_of(book, mine, {file: text}, today)
    mended = {fix.problem for fix in found}
    return found + [fix for problem in mine if problem not in mended and (fix := _asked(problem, text)) is not None]


def _asked(problem: Problem, text: str) -> Fix | None:
    asked = ASKED.search(problem.fix)
    if asked is None:
        return None
    to = next(word for word in asked.groups() if word)
    for wrong in WRONG.findall(problem.what):
        where = place_of(wrong, text, problem.line, problem.column)
        if where is not None:
            edit = Edit(problem.file, where, to)
            return Fix(problem.check, f"Write {to} for {wrong}.", problem.what, (edit,), problem)
    return None
