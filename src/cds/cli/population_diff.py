"""cds population diff: both rule sets over an export, and how many a change touches."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring.impact.population import ComparisonRows, impact_report
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, err
from cds.cli.diff import rule_sets
from cds.cli.run_options import (
    AcceptBad,
    AsOfDays,
    Exported,
    Jobs,
    Memory,
    RowFormat,
    run_options,
    say_what_was_not_used,
)
from cds.cli.run_progress import shown_progress
from cds.population.export import ExportError
from cds.population.row_files import NDJSON
from cds.population.run import rows_in, run_population
from cds.rulebook.diff import changes_between


def population_diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A git revision, or a folder of rule files.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", exists=True, help="Folder of a bulk export, or of Bundles.")
    ],
    into: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the rows; new, or of the same comparison.")],
    as_of: AsOfDays = None,
    exported: Exported = "",
    accept_bad: AcceptBad = 0,
    jobs: Jobs = None,
    memory: Memory = "1GB",
    form: RowFormat = NDJSON,
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="The smallest count of patients that is shown; 1 shows all.")
    ] = 11,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Folder of rule files in the repository.", show_default=False)
    ] = None,
    today: Today = None,
) -> None:
    """
    Decide by two rule sets for every patient: print how many a change touches, as Markdown; who is in OUT/rows.

    What was done stays done if the run is ended. What is printed holds no id, and small counts are suppressed.

    [bold]Example:[/bold] cds population diff main rules export/ impact
    """
    options = run_options(as_of, today, exported, accept_bad, jobs, form, memory)
    day = options.as_of if isinstance(options.as_of, date) else options.today
    settings = settings_in_force()
    with rule_sets((old, new), rules or settings.rules, day, cohorts=True) as sides:
        made = ComparisonRows(*sides, tuple(changes_between(sides[0].book, sides[1].book)), settings)
        try:
            with shown_progress() as progress:
                summary = run_population(made, export, into, options, progress)
            say_what_was_not_used(summary)
            if summary.has_several_days:
                raise ExportError(
                    f"{into}: it has several days of a patient, and counts are of patients; the rows are in it"
                )
            sys.stdout.write(impact_report(made, (old, new), summary, rows_in(into), smallest))
        except ExportError as wrong:
            err.print(escape(f"{wrong}."))
            raise typer.Exit(PROBLEMS) from None
    raise typer.Exit(OK if summary.is_whole(accept_bad) else PROBLEMS)
