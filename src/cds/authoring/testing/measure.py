"""A folder of rules → what its cases show of every file, worked out in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from cds.authoring.testing.coverage import CoverageCounts, counts
from cds.authoring.testing.coverage_html import Mark, marks_by_place
from cds.authoring.testing.report import run_folder
from cds.yaml_source.problem import RulesError


class FileCoverage(msgspec.Struct, frozen=True):
    """How much of a file is shown, and the marks of its lines."""

    counts: CoverageCounts
    marks: dict[int, tuple[Mark, ...]]


class CoverageMeasurement(msgspec.Struct, frozen=True):
    """
    What the cases of a folder show.

    Attributes:
        passed: How many cases passed.
        failed: Those that did not, by their sentences.
        never_shown: Answers no case claims, cards no case shows.
        files: By the name of the file without its folders.
        wrong: Why nothing was run; "" when it was.
    """

    passed: int = 0
    failed: tuple[str, ...] = ()
    never_shown: tuple[str, ...] = ()
    files: dict[str, FileCoverage] = {}
    wrong: str = ""


def measure(folder: Path) -> CoverageMeasurement:
    """Run every case of a folder, one after the other: whoever asks may be answering others beside it."""
    try:
        report = run_folder(folder, clauses=True, jobs=1)
    except RulesError as wrong:
        return CoverageMeasurement(wrong=str(wrong.problems[0]))
    marks = marks_by_place(report.coverage)
    files = {
        Path(file).name: FileCoverage(
            count, {line: tuple(found) for (where, line), found in marks.items() if where == file}
        )
        for file, count in counts(report.coverage).items()
    }
    return CoverageMeasurement(report.passed, tuple(v.name for v in report.failed), report.never_shown, files)


if __name__ == "__main__":
    os.nice(10)  # who decides goes first
    sys.stdout.buffer.write(msgspec.json.encode(measure(Path(sys.argv[1]))))
