"""One folder of rules as an editor has it: read, checked and indexed with every unsaved text in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

from cds.authoring.testing.cases import RuleTests, read_rule_tests
from cds.authoring.testing.check import with_cases
from cds.language_server.documents import EditorFiles
from cds.language_server.index import FolderIndex, index_of
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.ruleset import problems_of
from cds.yaml_source.problem import Problem


@dataclass(frozen=True, slots=True)
class FolderSnapshot:
    """
    A folder as it was at one moment.

    Attributes:
        version: That of its files then.
    """

    version: int
    book: Rulebook
    rule_tests: RuleTests
    index: FolderIndex


@dataclass(frozen=True, slots=True)
class CheckStage:
    """
    What is known of a folder's mistakes so far.

    Attributes:
        problems: Every mistake found.
        files: The files of which these are all of the mistakes that do not need a case to be decided; None for every
            file.
    """

    problems: tuple[Problem, ...]
    files: frozenset[str] | None


class RulesFolder:
    """A folder of rules, and what was last made of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = EditorFiles()
        self._last: FolderSnapshot | None = None
        self._reading = Lock()

    def last(self) -> FolderSnapshot:
        """The folder as it was last read; read now if it never was."""
        return self._last or self.now()

    def now(self) -> FolderSnapshot:
        """The folder with every edit so far."""
        with self._reading:
            version = self.files.version
            if self._last is None or self._last.version != version:
                self._last = self._read(version, read_rulebook(self.root, self.files))
            return self._last

    def check(self, today: date) -> Iterator[CheckStage]:
        """
        Every mistake that `cds check` finds without deciding a case, in stages: what is quick to tell comes first.

        First the mistakes of form, then those of rule files looked at together, then those of cases.
        """
        version = self.files.version
        book = read_rulebook(self.root, self.files)
        if self._last is None:  # names to complete, until the cases are read
            nothing = RuleTests(self.root)
            self._last = FolderSnapshot(-1, book, nothing, index_of(book, nothing, self.files, None))
        formal = tuple(book.problems)
        if formal:
            yield CheckStage(formal, frozenset(problem.file for problem in formal))
        of_rules = problems_of(book, today)
        if book.base is None:
            rule_files = {*(one.file for one in book.rules.values()), *(one.file for one in book.sets)}
            yield CheckStage(tuple(of_rules), frozenset(rule_files | {problem.file for problem in of_rules}))
        with self._reading:
            read = self._last = self._read(version, book)
        yield CheckStage(tuple(with_cases(of_rules, book, read.rule_tests, today)), None)
        self.files.forget_unused()

    def _read(self, version: int, book: Rulebook) -> FolderSnapshot:
        rule_tests = read_rule_tests(self.root, book)
        before = self._last.index if self._last is not None else None
        return FolderSnapshot(version, book, rule_tests, index_of(book, rule_tests, self.files, before))
