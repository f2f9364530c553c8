"""The options of runs over a population, and what a run says of its input."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import day_of, err
from cds.cli.files import listed_ids
from cds.population.export import ExportError
from cds.population.index_days import DecisionDay, read_index_days
from cds.population.row_files import row_formats
from cds.population.run import RunOptions, RunSummary

MOST_SHOWN = 20  # faults printed; all counted, the first thousand are in summary.json
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Decide as of this day; what was charted later is not seen.", show_default=False),
]
AsOfDays = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Decide as of this day, or a CSV with the columns patient and day; what was charted later is not seen.",
        show_default=False,
    ),
]
Exported = Annotated[
    str, typer.Option("--exported", help="Types that were exported besides those with a file, by commas.")
]
AcceptBad = Annotated[int, typer.Option("--accept-bad", min=0, help="Lines that may be unreadable without exit 1.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Processes; as many as processors.", show_default=False)
]
Memory = Annotated[
    str,
    typer.Option("--memory", help="How much of the export is held in memory at once, by all processes: 512MB, 2GB."),
]
RowFormat = Annotated[
    str, typer.Option("--format", help=f"Format of the rows, one of {', '.join(row_formats())}.", metavar="FORMAT")
]
Engine = Annotated[
    str,
    typer.Option("--engine", help="local, or spark: EXPORT is then whatever Spark reads, s3:// too.", metavar="ENGINE"),
]
LOCAL, SPARK = "local", "spark"
UNITS = {"MB": 1_000_000, "GB": 1_000_000_000}


def decided_for(as_of: str | None, today: date) -> date:
    """The day that --as-of names; today without it."""
    try:
        return date.fromisoformat(as_of) if as_of else today
    except ValueError:
        raise typer.BadParameter(f"{as_of} is not a day; write it as 2026-06-01.", param_hint="--as-of") from None


def _days(as_of: str | None, today: date) -> date | dict[str, list[DecisionDay]]:
    """One day for all, or the days of each patient in the file that is named."""
    if as_of is None or not (as_of.endswith(".csv") or Path(as_of).is_file()):
        return decided_for(as_of, today)
    if not Path(as_of).is_file():
        raise typer.BadParameter(f"{as_of} does not exist.", param_hint="--as-of")
    try:
        return read_index_days(Path(as_of))
    except ExportError as wrong:
        raise typer.BadParameter(f"{wrong}.", param_hint="--as-of") from None


def _bytes(memory: str) -> int:
    unit = memory[-2:].upper()
    if unit not in UNITS or not memory[:-2].isdecimal() or not int(memory[:-2]):
        raise typer.BadParameter(f"{memory} is no amount of memory; write it as 512MB or 2GB.", param_hint="--memory")
    return int(memory[:-2]) * UNITS[unit]


def listed_types(exported: str) -> tuple[str, ...]:
    """The types that --exported names."""
    return tuple(sorted(listed_ids(exported)))


def run_options(
    as_of: str | None, today: str | None, exported: str, accept_bad: int, jobs: int | None, form: str, memory: str
) -> RunOptions:  # fmt: skip
    """The options of a run as they were given; wrong ones end the command."""
    if form not in row_formats():
        raise typer.BadParameter(f"{form} is none of {', '.join(row_formats())}.", param_hint="--format")
    day = day_of(today)
    most = settings_in_force().most_entries
    return RunOptions(_days(as_of, day), day, listed_types(exported), accept_bad, jobs, form, _bytes(memory), most)


def say_what_was_not_used(summary: RunSummary) -> None:
    """What of an export, and of a file of index days, a run made nothing of."""
    for what in summary.passed_over:
        err.print(escape(f"passed over {what}"))
    for fault in summary.faults[:MOST_SHOWN]:
        err.print(escape(f"not read: {fault}"))
    if summary.in_part:
        err.print(f"not known whole for anybody, since a line was lost: {', '.join(summary.in_part)}")
    if summary.too_large:
        err.print(f"{summary.too_large} row(s) refused: too large (see `why`; CDS_MOST_ENTRIES sets the limit)")
    if summary.without_day:
        err.print(f"{summary.without_day} patient(s) of the export have no index day, and no row")
    if summary.days_not_found:
        lines = ", ".join(map(str, summary.lines_not_found[:MOST_SHOWN]))
        more = ", …" if summary.days_not_found > MOST_SHOWN else ""
        err.print(
            f"{summary.days_not_found} line(s) of --as-of name no patient of the export: {lines}{more}; "
            "write ids as the export gives them, or remove the lines"
        )
