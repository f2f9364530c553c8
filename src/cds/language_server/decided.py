"""
What only deciding every case tells of a folder, in a process of its own: it takes many seconds.

`python -m cds.language_server.decided FOLDER DAY` reads unsaved texts from standard input, as JSON of path →
text, and writes the problems found as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.check import decided_problems, with_cases
from cds.language_server.documents import EditorFiles
from cds.rulebook.loader import read_rulebook
from cds.ruleset import problems_of
from cds.yaml_source.problem import Problem


def find(root: Path, today: date, files: EditorFiles) -> list[Problem]:
    """What `cds check` says of a folder only after deciding every case."""
    book = read_rulebook(root, files)
    rule_tests = read_rule_tests(root, book)
    return decided_problems(book, rule_tests, with_cases(problems_of(book, today), book, rule_tests, today))


def main() -> None:
    """Read the unsaved texts, decide, and write what was found."""
    os.nice(10)  # the editor comes first
    files = EditorFiles()
    for path, text in json.load(sys.stdin).items():
        files.edit(Path(path), text)
    found = find(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), files)
    json.dump([asdict(problem) for problem in found], sys.stdout)


if __name__ == "__main__":
    main()
