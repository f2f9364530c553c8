"""Failing cases as one screen: those that fail alike together, one of each in full, then a short list of names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape

from cds.authoring.testing.run import CaseVerdict
from cds.authoring.testing.snapshot import CaseKey

MOST_GROUPS = 5
MOST_NAMES = 15
MOST_DIFFERENCES = 3
MOST_REASONS = 6


def print_failures(failed: Iterable[CaseVerdict], console: Console, *, full: bool = False) -> None:
    """
    Print failing cases.

    Those whose first difference is about the same thing most likely have one cause: of each such group, one case is
    shown with its differences and the first of its reasons. `full`: every case with all of both.
    """
    listed = list(failed)
    if not listed:
        return
    if full or len(listed) == 1:
        for verdict in listed:
            console.print(f"[red]✗[/red] {escape(verdict.name)}")
            console.print(escape(verdict.text))
        return
    groups: dict[str, list[CaseVerdict]] = {}
    for verdict in listed:
        groups.setdefault(verdict.differences[0].split(":")[0], []).append(verdict)
    by_size = sorted(groups.items(), key=lambda item: -len(item[1]))
    for about, verdicts in by_size[:MOST_GROUPS]:
        one = verdicts[0]
        also = f", and {len(verdicts) - 1} more that differ in {about}" if len(verdicts) > 1 else ""
        console.print(f"[red]✗[/red] {escape(one.name)}{escape(also)}")
        console.print(escape(f"{one.case.file}:{one.case.line}"))
        for line in (*_first(one.differences, MOST_DIFFERENCES), *_first(one.why, MOST_REASONS)):
            console.print(escape(f"  {line}"))
    if len(by_size) > MOST_GROUPS:
        rest = sum(len(verdicts) for _, verdicts in by_size[MOST_GROUPS:])
        console.print(f"and {rest} case(s) that differ in {len(by_size) - MOST_GROUPS} other things")
    console.print("\nfailed:")
    for verdict in listed[:MOST_NAMES]:
        console.print(escape(f"  {verdict.case.file.name}:{verdict.case.line}  {verdict.name}"))
    if len(listed) > MOST_NAMES:
        console.print(f"  and {len(listed) - MOST_NAMES} more; --full lists all, with every reason")


def _first(lines: tuple[str, ...], most: int) -> tuple[str, ...]:
    return lines if len(lines) <= most else (*lines[:most], f"… {len(lines) - most} more: --full, or --first")


# ---------------------------------------------------------------- which failed last time


def remember_failed(root: Path, failed: Iterable[CaseKey]) -> None:
    """Write down which cases of a folder failed, for `--failed`; where nothing can be written, nothing is."""
    path = _memory(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(list(failed)))
    except OSError:
        return


def failed_last_time(root: Path) -> frozenset[CaseKey]:
    """The cases of a folder that failed when its cases were last run; none where that is not known."""
    try:
        return frozenset(msgspec.json.decode(_memory(root).read_bytes(), type=list[CaseKey]))
    except (OSError, msgspec.DecodeError):
        return frozenset()


def _memory(root: Path) -> Path:
    """A file in the user's cache: a folder of rules may be read-only, and is often under version control."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "thirdline" / f"failed-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"
