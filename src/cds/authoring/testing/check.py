"""Rule files and their test files → every mistake in either, and what no test looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from cds.authoring.testing.budget import problems_of_cards
from cds.authoring.testing.cases import Case, RuleTests, read_rule_tests
from cds.authoring.testing.snapshot import SNAPSHOT
from cds.authoring.testing.together import cards_of_one_subject
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
    rule_tests = read_rule_tests(folder, book)
    problems = with_cases(problems_of(book, today), book, rule_tests, today)
    return sorted({*problems, *decided_problems(book, rule_tests, problems)})


def with_cases(of_rules: Iterable[Problem], book: Rulebook, rule_tests: RuleTests, today: date) -> list[Problem]:
    """
    What `check_folder` says of the files alone, without deciding a case.

    `of_rules` is what is wrong with the rulebook (cds.ruleset.problems_of).
    """
    problems = {*of_rules, *rule_tests.problems, *case_not_in_snapshot(rule_tests)}
    if not any(not problem.warning for problem in problems):
        own = book.own()
        problems |= {*conclusion_without_test(own, rule_tests), *card_without_test(own, rule_tests)}
    if book.base is not None:
        base = read_rulebook(book.base, book.files)
        before = {_apart_from_its_line(problem) for problem in check(base, today=today)}
        before = {problem for problem in before if problem.warning}
        problems = {problem for problem in problems if _apart_from_its_line(problem) not in before}
    return sorted(problems)


def decided_problems(book: Rulebook, rule_tests: RuleTests, problems: Iterable[Problem]) -> list[Problem]:
    """What it says besides, of cards that are decided; nothing where files hold an error (`problems`)."""
    if any(not problem.warning for problem in problems):
        return []
    return [*problems_of_cards(book, rule_tests), *cards_of_one_subject(book)]


def _apart_from_its_line(problem: Problem) -> Problem:
    """The problem without its place and counts: “28 of 184 lists” is no other one than “28 of 185 lists”."""
    return replace(problem, line=0, column=0, what=re.sub(r"\d+", "", problem.what))


def case_not_in_snapshot(rule_tests: RuleTests) -> Iterator[Problem]:
    """Every case has its line in cards.snapshot, where a folder has that file, and every line of it its case."""
    known = rule_tests.snapshot
    if known is None:
        return
    fix = "Run `cds test --update`, and look at the line it writes."
    cases = {rule_tests.key(case): case for case in rule_tests.cases if not case.then.error}
    for key, case in cases.items():
        if key not in known:
            yield Problem(
                str(case.file), case.line, 1, "case-not-in-snapshot",
                f"The cards of “{case.name}” are not in {SNAPSHOT}.", fix,
                "Nobody would see it if this case brought other cards tomorrow.",
            )  # fmt: skip
    if not rule_tests.problems and (gone := [name for key in known if key not in cases for name in key[1:]]):
        yield Problem(
            str(rule_tests.root / SNAPSHOT), 1, 1, "case-not-in-snapshot",
            f"{len(gone)} line(s) of cases that are no more: “{gone[0]}”{' …' if gone[1:] else ''}.", fix,
        )  # fmt: skip


def conclusion_without_test(book: Rulebook, rule_tests: RuleTests) -> Iterator[Problem]:
    """Some case says what a conclusion must be."""
    claimed = {name for case in rule_tests.cases for name in case.then.answers}
    for rule in book.rules.values():
        if rule.model.about.status not in IN_USE:
            continue
        defined = rule.model.definitions.of if rule.model.definitions else ""
        for name in rule.model.conclusions:
            if name not in claimed and not (
                name == defined and any(case.then.definitions for case in rule_tests.cases)
            ):
                yield rule.problem(
                    ("conclusions", name), "conclusion-without-test", f"No case says what `{name}` must be.",
                    f"Write one in {_test_file(rule.file)}.", "Nobody would notice a mistake in it.", warning=True,
                )  # fmt: skip


def card_without_test(book: Rulebook, rule_tests: RuleTests) -> Iterator[Problem]:
    """Some case says that a card is shown."""
    shown = {name for case in rule_tests.cases for name in _shown(case)}
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
