"""Rule files and their test files → every mistake in either, and what no test looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from cds.authoring.testing.budget import card_over_budget
from cds.authoring.testing.cases import Case, RuleTests, read_rule_tests
from cds.rulebook.compile import IN_USE
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.ruleset import problems_of
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import DISK, SourceFiles


def check_folder(folder: Path, today: date, files: SourceFiles = DISK) -> list[Problem]:
    """
    Every mistake in the rule files and test files of a folder, warnings included, by file and line.

    Of a site: what it wrote, and what its changes mean for the rules it stands on; not what is said of those rules
    without the site, unless it keeps them from running.
    """
    book = read_rulebook(folder, files)
    casebook = read_rule_tests(folder, book)
    problems = with_cases(problems_of(book, today), book, casebook, today)
    return sorted({*problems, *decided_problems(book, casebook, problems)})


def with_cases(of_rules: Iterable[Problem], book: Rulebook, casebook: RuleTests, today: date) -> list[Problem]:
    """
    What `check_folder` says of the files alone, without deciding a case.

    `of_rules` is what is wrong with the rulebook (cds.ruleset.problems_of).
    """
    problems = {*of_rules, *casebook.problems}
    if not any(not problem.warning for problem in problems):
        own = book.own()
        problems |= {*conclusion_without_test(own, casebook), *card_without_test(own, casebook)}
    if book.base is not None:
        base = read_rulebook(book.base, book.files)
        before = {_apart_from_its_line(problem) for problem in check(base, today=today)}
        before = {problem for problem in before if problem.warning}
        problems = {problem for problem in problems if _apart_from_its_line(problem) not in before}
    return sorted(problems)


def decided_problems(book: Rulebook, casebook: RuleTests, problems: Iterable[Problem]) -> list[Problem]:
    """What it says besides, of the cards of every case; nothing where files hold an error (`problems`)."""
    if any(not problem.warning for problem in problems):
        return []
    return list(card_over_budget(book, casebook))


def _apart_from_its_line(problem: Problem) -> Problem:
    return replace(problem, line=0, column=0)


def conclusion_without_test(book: Rulebook, casebook: RuleTests) -> Iterator[Problem]:
    """Some case says what a conclusion must be."""
    claimed = {name for case in casebook.cases for name in case.then.answers}
    for rule in book.rules.values():
        if rule.model.about.status not in IN_USE:
            continue
        defined = rule.model.definitions.of if rule.model.definitions else ""
        for name in rule.model.conclusions:
            if name not in claimed and not (name == defined and any(case.then.definitions for case in casebook.cases)):
                yield rule.problem(
                    ("conclusions", name), "conclusion-without-test", f"No case says what `{name}` must be.",
                    f"Write one in {_test_file(rule.file)}.", "Nobody would notice a mistake in it.", warning=True,
                )  # fmt: skip


def card_without_test(book: Rulebook, casebook: RuleTests) -> Iterator[Problem]:
    """Some case says that a card is shown."""
    shown = {name for case in casebook.cases for name in _shown(case)}
    for rule in book.rules.values():
        if rule.model.about.status not in IN_USE:
            continue
        for name in rule.model.cards:
            if name not in shown:
                yield rule.problem(
                    ("cards", name), "card-without-test", f"No case says that `{name}` is shown.",
                    f"Write one in {_test_file(rule.file)}, with `cards` or `shows`.",
                    "Nobody would miss it.", warning=True,
                )  # fmt: skip


def _shown(case: Case) -> list[str]:
    first = [case.then.first_card] if case.then.first_card else []
    return [*(case.then.cards or ()), *case.then.shows, *first]


def _test_file(file: str) -> str:
    return Path(file).with_suffix(".test.yaml").name
