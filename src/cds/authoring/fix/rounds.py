"""A folder of rules → its files as they are once everything that a program can correct is corrected; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cds.authoring.fix.fix import Fix, applied, without_overlap
from cds.authoring.fix.fixes import VersionStep, fixes_of
from cds.authoring.testing.cases import read_rule_tests
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import LOCK, Rulebook, read_rulebook
from cds.rulebook.lock import lock_problems
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import SourceFiles, UnreadableSourceError

MOST_ROUNDS = 8  # a fix may show another: a name, then a kind, then a version, then the lock


@dataclass(frozen=True, slots=True)
class FixedFolder:
    """
    What became of a folder.

    Attributes:
        before, after: Path → text of each file that changes.
        fixes: What was done, in order.
        left: Problems that a person must decide.
    """

    before: dict[Path, str]
    after: dict[Path, str]
    fixes: tuple[Fix, ...]
    left: tuple[Problem, ...]


def fixed_folder(
    folder: Path, today: date, step: VersionStep = VersionStep.MINOR, compared_with: str = ""
) -> FixedFolder:
    """
    What the files of a folder would be with every fix in place; a site's own files, never those it is an overlay of.

    Each round reads the rules with the edits so far, because one correction shows what else is wrong.
    """
    original = texts_of(read_rulebook(folder))
    texts = dict(original)
    done: list[Fix] = []
    for _ in range(MOST_ROUNDS):
        book = read_rulebook(folder, SourceFiles(texts))
        problems = problems_to_fix(book, today)
        named = {str(path): text for path, text in texts.items() if path.suffix == ".yaml"}
        fixes = without_overlap(fixes_of(book, problems, named, today, step, compared_with))
        if not fixes:
            break
        for path, text in texts.items():
            texts[path] = applied(text, [edit for fix in fixes for edit in fix.edits if edit.file == str(path)])
        done += fixes
    changed = sorted(path for path, text in texts.items() if text != original[path])
    return FixedFolder(
        {path: original[path] for path in changed}, {path: texts[path] for path in changed}, tuple(done),
        tuple(problems),
    )  # fmt: skip


def problems_to_fix(book: Rulebook, today: date) -> list[Problem]:
    """What is wrong in rule files, test files and the lock; not what tests do not reach, which no program can add."""
    return sorted({*check(book, today=today), *lock_problems(book), *read_rule_tests(book.root, book).problems})


def texts_of(book: Rulebook) -> dict[Path, str]:
    """Path → text of every file of a rulebook's own folder that is written by hand or by `cds lock`."""
    found: dict[Path, str] = {}
    lock = [book.root / LOCK] if book.lock is not None else []
    for path in [*sorted(book.root.rglob("*.yaml")), *lock]:
        try:
            found[path] = book.files.read(path, book.folders).decode()
        except (UnreadableSourceError, UnicodeDecodeError):
            continue  # told as unreadable
    return found
