"""Coverage as an author reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cds.authoring.testing.coverage import Coverage, counts, never_shown
from cds.authoring.testing.coverage_html import TITLES


def print_coverage(coverage: Coverage, console: Console) -> None:
    """Every gap with its file and line, then a table of the files."""
    for line in gaps(coverage):
        console.print(f"[yellow]not shown:[/yellow] {escape(line)}")
    table = Table("file", *TITLES)
    for file, count in counts(coverage).items():
        table.add_row(escape(file), *(f"{shown} of {of}" for shown, of in astuple(count)))
    console.print(table)


def gaps(coverage: Coverage) -> Iterator[str]:
    """What no case shows: of conclusions and cards, of their parts, of limits and of notes."""
    yield from never_shown(coverage)
    for clause in coverage.clauses:
        if clause.missing:
            never = " or ".join(truth.value for truth in clause.missing)
            yield f"{clause.file}:{clause.line}  in {clause.of}, {clause.words} is never {never}."
        for limit in clause.limits:
            for where, nearest in limit.sides:
                if nearest is None:
                    yield f"{clause.file}:{clause.line}  in {clause.of}, no number {where} the limit of {limit.words}."
    for (card, number), sides in coverage.notes.items():
        for side, word in ((True, "told"), (False, "left out")):
            if side not in sides.seen:
                yield f"{sides.file}:{sides.line}  note {number} of card {card} is never {word}."
