"""Rules folder → Rules, ready to decide; or every mistake in it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cds.decide import Rules
from cds.reasoning.conclude import Opinions, Reasoner
from cds.rulebook.check import check
from cds.rulebook.plan import plan
from cds.rulebook.problem import RulesAreWrong
from cds.rulebook.read import Rulebook, read_rulebook


def rules_of(book: Rulebook, opinions: Opinions) -> Rules:
    """A checked rulebook, made ready."""
    program = plan(book)
    conditions = {name: head.condition for name, head in program.heads.items()}
    return Rules(program, Reasoner(conditions, program.layers, opinions))


def load_rules(folder: Path, opinions: Opinions | None, today: date) -> Rules:
    """Read, check and make ready; RulesAreWrong with all errors if there are any."""
    book = read_rulebook(folder)
    errors = tuple(problem for problem in check(book, today=today) if not problem.warning)
    if errors:
        raise RulesAreWrong(errors)
    return rules_of(book, opinions or Opinions.DIRECT)
