"""Survivors, and what came of all changes, as an author reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cds.authoring.mutation.detect import DetectionOutcome
from cds.authoring.mutation.run import MutationReport


def progress_on(console: Console) -> Progress:
    """A bar for a terminal; nothing where nobody watches."""
    columns = (TextColumn("changes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def print_mutants(changes: MutationReport, console: Console, most_percent: float) -> bool:
    """
    Print every survivor, a table by kind and the verdict; whether the rules are proven.

    They are when no change of a file with `safety: true` survives, and of all no more than `most_percent` percent.
    """
    for case in changes.failing:
        console.print(f"[red]✗[/red] {escape(case.name)} ({escape(str(case.file))}:{case.line})")
    if changes.failing:
        console.print("These cases fail without any change; mend them first: a failing case notices nothing.")
        return False
    for line in survivor_lines(changes):
        console.print(line)
    for one in changes.idle:
        console.print(
            f"[yellow]explains nothing:[/yellow] {escape(one.file)}:{one.line}  {escape(one.change)}\n"
            "  No such change survives. Remove it, or mend its name."
        )
    console.print(_table(changes))
    dangerous = sum(one.change.safety for one in changes.survivors)
    console.print(
        f"{len(changes.survivors)} of {len(changes.counted)} changes noticed by no case ({changes.percent:.1f} %),"
        f" {dangerous} of them in a file with `safety: true`"
    )
    return not dangerous and changes.percent <= most_percent and not changes.idle


def survivor_lines(changes: MutationReport) -> Iterator[str]:
    """Each survivor: where, which change, and which patient would be treated differently; those of safety first."""
    for outcome in sorted(changes.survivors, key=lambda one: not one.change.safety):
        change = outcome.change
        sign = "[red]survived (safety):[/red]" if change.safety else "[yellow]survived:[/yellow]"
        yield f"{sign} {escape(change.file)}:{change.line}  {escape(change.name)}\n  {escape(change.patient)}"


def _table(changes: MutationReport) -> Table:
    fates = Counter((one.change.kind, one.fate, bool(one.because)) for one in changes.outcomes)
    table = Table("change", "noticed", "survived", "explained", "means the same")
    for kind in dict.fromkeys(one.change.kind for one in changes.outcomes):
        table.add_row(
            kind.value,
            str(fates[kind, DetectionOutcome.NOTICED, False]),
            str(fates[kind, DetectionOutcome.SURVIVED, False]),
            str(fates[kind, DetectionOutcome.SURVIVED, True]),
            str(fates[kind, DetectionOutcome.SAME, False]),
        )
    return table
