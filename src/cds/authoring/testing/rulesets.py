"""Rules for a case: those of the folder, or with other parameters and minimum doses (`with`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from cds.decide import Ruleset
from cds.engine.durable import available
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.facts.fact import Facts
from cds.logic.conditions import Condition, names_in
from cds.logic.strata import Stratum
from cds.logic.truth import Truth
from cds.rulebook.format.drug_table import MinimumDose
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.ruleset import refuse_errors, rules_of

With = Mapping[str, float | str]


class RulesetCache:
    """The rules of one folder, read once, checked once for each day, and made ready once for each `with`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.book = with_drafts(read_rulebook(root))
        self._made: dict[frozenset[tuple[str, float | str]], Ruleset] = {}
        self._checked: set[date] = set()

    def check(self, today: date) -> None:
        """
        Look for mistakes, once for each day.

        Raises:
            RulesError: The folder holds mistakes.
        """
        if today not in self._checked:
            refuse_errors(self.book, today)
            self._checked.add(today)

    def rules(self, with_: With, today: date) -> Ruleset:
        """
        The rules a case is run with: both opinions where the engine runs, the direct one alone for a `with`.

        Raises:
            RulesError: The folder holds mistakes.
        """
        self.check(today)  # mistakes are found before anything is varied
        key = frozenset(with_.items())
        if key not in self._made:
            mode = EvaluatorMode.BOTH if available() and not with_ else EvaluatorMode.DIRECT
            self._made[key] = rules_of(with_parameters(self.book, with_), mode, CachedEvaluator)
        return self._made[key]


class CachedEvaluator(Evaluator):
    """
    A reasoner that concludes once for all facts that are alike to every condition.

    Cases often differ in what no condition reads: a day, a word, a source. What follows is the same for them.
    """

    def __init__(
        self, heads: Mapping[str, Condition], strata: tuple[Stratum, ...], mode: EvaluatorMode = EvaluatorMode.BOTH
    ) -> None:
        super().__init__(heads, strata, mode)
        self._read = sorted({name for head in heads.values() for name in names_in(head)} - heads.keys())
        self._concluded: dict[tuple[object, ...], dict[str, Truth]] = {}

    def conclude(self, facts: Facts) -> dict[str, Truth]:
        """Every head → true, false or unknown, as for the first facts that were alike."""
        read = (facts.by_name.get(name) for name in self._read)
        alike = tuple((fact.truth, fact.low, fact.high) if fact else None for fact in read)
        if alike not in self._concluded:
            self._concluded[alike] = super().conclude(facts)
        return self._concluded[alike]


def with_drafts(book: Rulebook) -> Rulebook:
    """The rulebook with its drafts as if they were silent: no server reads them, and their author tries them."""
    rules = {
        name: replace(loaded, model=_silent(loaded.model)) if loaded.model.about.status == "draft" else loaded
        for name, loaded in book.rules.items()
    }
    return replace(book, rules=rules)


def _silent(model: RuleFile) -> RuleFile:
    return model.model_copy(update={"about": model.about.model_copy(update={"status": "silent"})})


def with_parameters(book: Rulebook, with_: With) -> Rulebook:
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
