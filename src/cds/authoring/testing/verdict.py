"""A folder of rules → whether a server may take it: it checks, its lock fits, and its tests pass."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import msgspec

from cds.authoring.testing.report import run_folder
from cds.authoring.testing.snapshot import SNAPSHOT
from cds.rulebook.loader import read_rulebook
from cds.ruleset import problems_in
from cds.yaml_source.problem import Problem, RulesError


class FolderVerdict(msgspec.Struct, frozen=True):
    """
    What came of looking at a folder.

    Attributes:
        digest: Of the rules that were looked at.
        against: Why they are not to be taken; empty when they are good.
    """

    digest: str
    against: tuple[str, ...]


def examine_folder(folder: Path, today: date) -> FolderVerdict:
    """Check the rules of a folder and run their tests; a folder without tests is not good enough."""
    digest = read_rulebook(folder).digest
    try:
        problems = [problem for problem in problems_in(folder, today) if not problem.warning]
        report = None if problems else run_folder(folder)
    except RulesError as wrong:
        return FolderVerdict(digest, tuple(_line(problem) for problem in wrong.problems))
    if report is None:
        return FolderVerdict(digest, tuple(_line(problem) for problem in problems))
    if not report.verdicts:
        return FolderVerdict(digest, ("there are no tests",))
    against = [f"{v.case.file}:{v.case.line} fails: {v.name}" for v in report.failed]
    if report.snapshot and report.snapshot.changed:
        against += [f"{folder / SNAPSHOT} {line}" for line in report.snapshot.lines]
    return FolderVerdict(digest, tuple(against))


def _line(problem: Problem) -> str:
    return f"{problem.file}:{problem.line} {problem.check}: {problem.what}"


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(examine_folder(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))))
