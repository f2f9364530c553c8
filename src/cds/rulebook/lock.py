"""rules.lock: version and meaning of every rule file, so that no version means two things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from cds.rulebook.fingerprint import digests
from cds.rulebook.loader import LOCK, Rulebook
from cds.rulebook.references import Rule
from cds.yaml_source.problem import Problem

HEAD = """\
# Written by `cds lock`, never by hand: each rule file, its version, and a digest of what it means.
# A line per file, so that two people can change two files.
"""
CHECK = "lock-out-of-date"


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What rules.lock says of one rule file: its version and fingerprint."""

    version: str
    digest: str


def lock_text(book: Rulebook) -> str:
    """The lock of a rulebook."""
    made = digests(book)
    return HEAD + "".join(f"{name} {book.rules[name].model.about.version} {made[name]}\n" for name in sorted(made))


def read_lock(text: str) -> dict[str, LockEntry]:
    """
    Rule file → its line.

    Raises:
        ValueError: With the number of the first line that is none of a lock.
    """
    found: dict[str, LockEntry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        words = line.split()
        if len(words) != 3 or words[0] in found:
            raise ValueError(str(number))
        found[words[0]] = LockEntry(words[1], words[2])
    return found


def lock_problems(book: Rulebook) -> list[Problem]:
    """
    Where the lock and the rule files differ; nothing for a folder without a lock.

    A rulebook with mistakes is not judged: what could not be read means nothing yet.
    """
    return [problem for problem, _ in _differences(book)]


def not_fixed(book: Rulebook, *, forget: bool) -> list[Problem]:
    """What writing the lock would hide: a version that means two things or goes back, or a file that vanished."""
    return [
        problem
        for problem, kind in _differences(book)
        if kind is LockAction.HIDES or (kind is LockAction.GONE and not forget)
    ]


def same_version_twice(book: Rulebook) -> list[tuple[Rule, Problem]]:
    """The rule files that mean something else than the lock says, and have no new version yet."""
    files = {rule.file: rule for rule in book.rules.values()}
    return [
        (files[problem.file], problem)
        for problem, kind in _differences(book)
        if kind is LockAction.HIDES and not _goes_back(files[problem.file], book)
    ]


def written_anew(book: Rulebook) -> list[Problem]:
    """What writing the lock takes away; nothing while that would hide a change or forget a file."""
    found = list(_differences(book))
    return [problem for problem, _ in found] if all(kind is LockAction.MENDS for _, kind in found) else []


def _goes_back(rule: Rule, book: Rulebook) -> bool:
    locked = read_lock(book.lock or "")[rule.model.about.id].version
    return number(rule.model.about.version) < number(locked)


class LockAction(Enum):
    """What writing the lock anew does about a difference."""

    MENDS = "mends"
    HIDES = "hides"
    GONE = "forgets a file"


def _differences(book: Rulebook) -> Iterator[tuple[Problem, LockAction]]:
    if book.lock is None or any(not problem.warning for problem in book.problems):
        return
    file = str(book.root / LOCK)
    try:
        locked = read_lock(book.lock)
    except ValueError as line:
        what, fix = "This is no line of a lock.", "Run `cds lock`; a lock is not merged by hand."
        yield Problem(file, int(str(line)), 1, CHECK, what, fix), LockAction.MENDS
        return
    for name, digest in digests(book).items():
        yield from _of_file(book.rules[name], digest, locked.get(name))
    for name in sorted(locked.keys() - book.rules.keys()):
        what = f"`{name}` is in the lock, and there is no such rule file."
        fix = "Keep the file with `status: retired`; or run `cds lock --forget` when it never reached a patient."
        yield Problem(file, 0, 0, CHECK, what, fix, "A receipt that names it could not be explained."), LockAction.GONE


def _of_file(rule: Rule, digest: str, before: LockEntry | None) -> Iterator[tuple[Problem, LockAction]]:
    name, version = rule.model.about.id, rule.model.about.version
    here = ("about", "version")
    if before is None:
        yield rule.problem(here, CHECK, f"`{name}` is not in {LOCK} yet.", "Run `cds lock`."), LockAction.MENDS
    elif number(version) < number(before.version):
        what = f"Version {version} is lower than the {before.version} in {LOCK}."
        yield rule.problem(here, CHECK, what, "Write a higher one: versions do not go back."), LockAction.HIDES
    elif digest != before.digest and version == before.version:
        patch, minor, major = raised(version)
        yield rule.problem(
            here, CHECK, f"What this file means has changed, and its version is still {version}.",
            f"Write {patch} (wording), {minor} (more patients may see a card) or {major} (fewer may, or a threshold"
            " moved), then run `cds lock`.",
            "Cards and receipts name the version; one version must not mean two things.",
        ), LockAction.HIDES  # fmt: skip
    elif version != before.version:
        what = f"{LOCK} has version {before.version} of it, this is {version}."
        yield rule.problem(here, CHECK, what, "Run `cds lock`."), LockAction.MENDS


def number(version: str) -> tuple[int, ...]:
    """A version for comparing."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def raised(version: str) -> tuple[str, str, str]:
    """The next versions: patch, minor, major."""
    major, minor, patch = number(version)
    return f"{major}.{minor}.{patch + 1}", f"{major}.{minor + 1}.0", f"{major + 1}.0.0"
