"""
pytest plugin: each case of a *.test.yaml is a test, named by its sentence.

pytest imports this in every project that has us installed, and before coverage starts: so it imports the rest of the
package only once there is a case to run.
"""

# ruff: noqa: PLC0415 (imports wait until they are needed; see above)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cds.authoring.testing.cases import Case, RuleTests
    from cds.authoring.testing.rulesets import RulesetCache
    from cds.authoring.testing.run import CaseVerdict

RULE_TESTS: pytest.StashKey[dict[Path, RuleTests]] = pytest.StashKey()
SHELVES: pytest.StashKey[dict[Path, RulesetCache]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini setting cds_rules."""
    parser.addini("cds_rules", "Folder of rule files, when it is not above the *.test.yaml files.", type="string")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for casebooks and rules, each read once a session."""
    config.stash[RULE_TESTS] = {}
    config.stash[SHELVES] = {}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CaseCollector | None:
    """Collect test files that belong to a rules folder."""
    if not file_path.name.endswith(".test.yaml"):
        return None
    root = rules_root(file_path, parent.config)
    if root is None:
        return None
    collector: CaseCollector = CaseCollector.from_parent(parent, path=file_path)
    collector.root = root
    return collector


def rules_root(file: Path, config: pytest.Config) -> Path | None:
    """The rules folder a test file belongs to: what cds_rules names, else the nearest folder of rules above."""
    if named := config.getini("cds_rules"):
        root = (config.rootpath / str(named)).resolve()
        return root if file.resolve().is_relative_to(root) else None
    from cds.rulebook.shipped import is_rules_folder

    return next((folder for folder in file.parents if is_rules_folder(folder)), None)


class CaseCollector(pytest.File):
    """One *.test.yaml."""

    root: Path

    def collect(self) -> Iterator[CaseItem]:
        from cds.authoring.testing.cases import read_rule_tests
        from cds.authoring.testing.rulesets import RulesetCache

        shelves = self.config.stash[SHELVES]
        if self.root not in shelves:
            shelves[self.root] = RulesetCache(self.root)
        books = self.config.stash[RULE_TESTS]
        if self.root not in books:
            books[self.root] = read_rule_tests(self.root, shelves[self.root].book)
        book = books[self.root]
        if problems := book.problems_in(self.path):
            raise self.CollectError("\n".join(str(problem) for problem in problems))
        for case in book.of(self.path):
            item: CaseItem = CaseItem.from_parent(self, name=case.name)
            item.case, item.shelf = case, shelves[self.root]
            yield item


class CaseFailedError(Exception):
    """A case whose claims are not so."""

    def __init__(self, verdict: CaseVerdict) -> None:
        super().__init__(verdict.text)
        self.verdict = verdict


class CaseItem(pytest.Item):
    """One case."""

    case: Case
    shelf: RulesetCache

    def runtest(self) -> None:
        from cds.authoring.testing.run import run_case

        verdict = run_case(self.case, self.shelf.rules(self.case.with_, self.case.today))
        if not verdict.passed:
            raise CaseFailedError(verdict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        from cds.yaml_source.problem import RulesError

        match excinfo.value:
            case CaseFailedError() as failed:
                return f"{failed.verdict.name}\n{failed.verdict.text}"
            case RulesError() as wrong:
                return "\n".join(str(problem) for problem in wrong.problems)
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.case.name
