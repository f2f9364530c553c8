"""Rules for a case: those of the folder, or with other parameters and minimum doses (`with`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from cds.decide import Rules
from cds.reasoning.conclude import Opinions, Reasoner
from cds.reasoning.engine import available
from cds.rulebook.check import check, has_errors
from cds.rulebook.format import MinimumDose
from cds.rulebook.plan import plan
from cds.rulebook.problem import RulesAreWrong
from cds.rulebook.read import Rulebook, read_rulebook

With = Mapping[str, float | str]


class Shelf:
    """The rules of one folder, loaded once for each day and each `with`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: dict[tuple[date, frozenset[tuple[str, float | str]]], Rules] = {}

    def rules(self, with_: With, today: date) -> Rules:
        """
        The rules a case is run with.

        Raises:
            RulesAreWrong: The folder holds mistakes.
        """
        key = (today, frozenset(with_.items()))
        if key not in self._made:
            self._made[key] = self._make(with_, today)
        return self._made[key]

    def _make(self, with_: With, today: date) -> Rules:
        book = read_rulebook(self.root)
        problems = check(book, today=today)
        if has_errors(problems):
            raise RulesAreWrong(tuple(problem for problem in problems if not problem.warning))
        program = plan(varied(book, with_) if with_ else book)
        conditions = {name: head.condition for name, head in program.heads.items()}
        both = not with_ and available()
        return Rules(program, Reasoner(conditions, program.layers, Opinions.BOTH if both else Opinions.DIRECT))


def varied(book: Rulebook, with_: With) -> Rulebook:
    """The rulebook with other values for parameters, and for doses written `venlafaxine.minimum_mg_a_day`."""
    rules = {
        name: replace(
            loaded,
            model=loaded.model.model_copy(
                update={
                    "parameters": {
                        parameter: spec.model_copy(update={"value": with_[parameter]}) if parameter in with_ else spec
                        for parameter, spec in loaded.model.parameters.items()
                    }
                }
            ),
        )
        for name, loaded in book.rules.items()
    }
    tables = {
        name: replace(
            loaded,
            model=loaded.model.model_copy(
                update={
                    "drugs": {key: row.model_copy(update=_doses(key, with_)) for key, row in loaded.model.drugs.items()}
                }
            ),
        )
        for name, loaded in book.tables.items()
    }
    return replace(book, rules=rules, tables=tables)


def _doses(drug: str, with_: With) -> dict[str, MinimumDose]:
    return {
        name.removeprefix(f"{drug}."): MinimumDose(value=float(value), basis="set by a case", verified=False)
        for name, value in with_.items()
        if name.startswith(f"{drug}.")
    }
