"""
The shipped rules and their cases, read once a process.

Tests that change nothing of them share them, and close nothing: a test that closes its evaluator, counts what is read
or needs rules of another folder reads its own.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from cds.authoring.testing.cases import RuleTests, read_rule_tests
from cds.decide import Ruleset
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.ruleset import checked_rules

ROOT = Path(__file__).parents[1]
RULES = ROOT / "rules"
TODAY = date.fromisoformat((ROOT / "fhir_examples" / "today.txt").read_text().strip())


@cache
def shipped_book() -> Rulebook:
    """Every shipped rule file, value set and table, as read."""
    return read_rulebook(RULES)


@cache
def shipped_cases() -> RuleTests:
    """Every case beside the shipped rules."""
    return read_rule_tests(RULES, shipped_book())


@cache
def shipped_program(definitions: tuple[str, ...] = (), cohorts: bool = False) -> CompiledRuleset:
    """The shipped rules compiled, with these published definitions and, if asked for, questions to a population."""
    return checked_rules(shipped_book(), EvaluatorMode.DIRECT, TODAY, None, definitions, cohorts).program


@cache
def shipped_rules(
    mode: EvaluatorMode | None = None, definitions: tuple[str, ...] = (), cohorts: bool = False
) -> Ruleset:
    """The shipped rules ready to decide: with both evaluators, where both run, unless `mode` says otherwise."""
    if mode is None:
        return checked_rules(shipped_book(), None, TODAY, None, definitions, cohorts)
    program = shipped_program(definitions, cohorts)
    conditions = {name: head.condition for name, head in program.heads.items()}
    return Ruleset(program, Evaluator(conditions, program.strata, mode))
