"""Rules folder → Rules, ready to decide; or every mistake in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from cds.decide import Ruleset
from cds.engine.durable import available
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.lint.files import overdue_rule_reviews, overdue_site_reviews
from cds.rulebook.lint.lint import check, keeping_from_running
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.lock import lock_problems
from cds.rulebook.published import with_definitions
from cds.terminology.cohort_index import CohortTerminologyIndex
from cds.yaml_source.problem import Problem, RulesError

log = logging.getLogger(__name__)

MOST_REMEMBERED = 20_000
"""Answers of the engine that are kept for a population; some 14 MB."""


def evaluator_mode_from(engine: str) -> EvaluatorMode:
    """The opinions a setting asks for; the direct one alone, and said, where durable-rules does not run."""
    if engine == EvaluatorMode.BOTH.value and not available():
        log.warning("durable-rules does not run on this Python: the direct evaluator decides alone")
        return EvaluatorMode.DIRECT
    return EvaluatorMode(engine)


def rules_of(book: Rulebook, mode: EvaluatorMode, reasoner: Callable[..., Evaluator] = Evaluator) -> Ruleset:
    """
    A rulebook without errors, made ready, with a reasoner of this kind.

    Raises:
        RulesError: The rules are beyond what the engine can be trusted with.
    """
    try:
        program = compile_ruleset(book)
        conditions = {name: head.condition for name, head in program.heads.items()}
        return Ruleset(program, reasoner(conditions, program.strata, mode))
    except ValueError as limits:
        what, fix = f"The engine cannot run these rules: {limits}.", "Split the conclusion it names into several."
        raise RulesError((Problem(str(book.root), 0, 0, "engine-limits", what, fix),)) from None


def problems_in(folder: Path, today: date) -> list[Problem]:
    """Every mistake in the rules of a folder, warnings included."""
    return problems_of(read_rulebook(folder), today)


def problems_of(book: Rulebook, today: date) -> list[Problem]:
    """
    Every mistake in a rulebook, warnings included; what the engine says only once there is no error.

    A lock that is out of date is one, and so is a missing source attribute; neither keeps rules from being loaded and
    tried (load_rules).
    """
    problems = sorted({*check(book, today=today), *lock_problems(book)})
    if any(not problem.warning for problem in problems):
        return problems
    try:
        rules_of(book, evaluator_mode_from(EvaluatorMode.BOTH.value)).reasoner.close()
    except RulesError as wrong:
        return [*problems, *wrong.problems]
    return problems


def load_rules(
    folder: Path,
    mode: EvaluatorMode | None,
    today: date,
    definitions: Collection[str] = (),
    cohorts: bool = False,
) -> Ruleset:
    """
    Read, check and make ready the rules of a folder; `opinions` None means both where both run.

    `definitions` are ids of published definitions, or "all"; files of others are left out. `cohorts`: for a population,
    with the questions to one, and with a memory of what comes again from patient to patient.

    Raises:
        RulesError: With every error; warnings do not keep rules from running.
    """
    return checked_rules(read_rulebook(folder), mode, today, definitions=definitions, cohorts=cohorts)


def checked_rules(
    book: Rulebook,
    mode: EvaluatorMode | None,
    today: date,
    review_grace_days: int | None = None,
    definitions: Collection[str] = (),
    cohorts: bool = False,
) -> Ruleset:
    """
    A rulebook that was read, checked and made ready; `opinions` None means both where both run.

    `definitions` are ids of published definitions, or "all"; files of others are left out. `cohorts`: for a population,
    with the questions to one, and with a memory of what comes again from patient to patient.

    Raises:
        RulesError: With every error; warnings do not keep rules from running, except as in `refuse_errors`.
    """
    refuse_errors(book, today, review_grace_days)
    shown = with_definitions(book, definitions, cohorts)
    chosen = mode or evaluator_mode_from(EvaluatorMode.BOTH.value)
    if not cohorts:
        return rules_of(shown, chosen)
    return _for_many(rules_of(shown, chosen, partial(Evaluator, most_remembered=MOST_REMEMBERED)))


def _for_many(rules: Ruleset) -> Ruleset:
    """The same rules with a memory of what the words of charts say: for many records in one process."""
    return replace(rules, program=replace(rules.program, codes=CohortTerminologyIndex(rules.program.codes)))


def refuse_errors(book: Rulebook, today: date, review_grace_days: int | None = None) -> list[Problem]:
    """
    The errors with which a rulebook runs all the same: source attributes are missing.

    Args:
        book: The rules.
        today: The day reviews are judged by.
        review_grace_days: Days after a review was due until the rules are refused; None: an overdue review is only
            told (a service that stops would take the safety cards with it).

    Raises:
        RulesError: With every error that keeps it from running; warnings do not.
    """
    found = check(book, today=today)
    in_the_way = keeping_from_running(found)
    if review_grace_days is not None:
        day = today - timedelta(days=review_grace_days)
        in_the_way += (*overdue_rule_reviews(book.rules.values(), day), *overdue_site_reviews(book, day))
    if in_the_way:
        raise RulesError(in_the_way)
    return [problem for problem in found if not problem.warning]
