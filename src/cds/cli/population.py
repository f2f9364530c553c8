"""cds population: the same decision for every patient of an export."""

from __future__ import annotations

import csv
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Definitions, RulesFolder, Today, day_of, err, out
from cds.cli.files import listed_ids, rules_in, rules_of_run
from cds.cli.population_validation import group, sample, validate
from cds.cli.printing import print_summary
from cds.decide import decide
from cds.errors import RequestError
from cds.population.cohort import cohort_in
from cds.population.export import ExportError
from cds.population.omop import CohortRow, CohortTableError, cohort_table
from cds.population.report import report_of
from cds.population.report_formats import FORMATS, answer_of_question
from cds.population.run import RunOptions, RunProgress, rows_in, run_population
from cds.read_request import read_record

population = typer.Typer(help="Decide for every patient of an export.", no_args_is_help=True)
population.command()(validate)
population.command()(sample)
population.command()(group)
MOST_SHOWN = 20  # faults printed; all counted, the first thousand are in summary.json

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Decide as of this day; what was charted later is not seen.", show_default=False),
]
Exported = Annotated[
    str, typer.Option("--exported", help="Types that were exported besides those with a file, by commas.")
]


def _decided_for(as_of: str | None, today: date) -> date:
    try:
        return date.fromisoformat(as_of) if as_of else today
    except ValueError:
        raise typer.BadParameter(f"{as_of} is not a day; write it as 2026-06-01.", param_hint="--as-of") from None


def _types(exported: str) -> tuple[str, ...]:
    return tuple(sorted(listed_ids(exported)))


@population.command()
def run(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="Folder of a bulk export, or of Bundles.")],
    into: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the rows; new, or of the same run.")],
    as_of: AsOf = None,
    exported: Exported = "",
    accept_bad: Annotated[
        int, typer.Option("--accept-bad", min=0, help="Lines that may be unreadable without exit 1.")
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes; as many as processors.", show_default=False)
    ] = None,
    with_race: Annotated[
        bool, typer.Option("--with-race", help="Rows hold race and ethnicity, for subgroups of a validation.")
    ] = False,
    rules: RulesFolder = None,
    definitions: Definitions = None,
    today: Today = None,
) -> None:
    """
    Write one row a patient into OUT/rows, as NDJSON; what was done stays done if the run is ended.

    [bold]Example:[/bold] cds population run export/ rows-2026 --as-of 2026-01-01
    """
    if not export.exists():
        raise typer.BadParameter(f"{export} does not exist.", param_hint="EXPORT")
    day = day_of(today)
    decided_for = _decided_for(as_of, day)
    options = RunOptions(decided_for, day, _types(exported), accept_bad, jobs, with_race)
    loaded = rules_in(rules, decided_for, None if definitions is None else listed_ids(definitions), cohorts=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=err) as bar:
            task = bar.add_task("sorting", total=None)

            def say(stage: str, done: int, of: int) -> None:
                bar.update(task, description=stage, completed=done, total=of)

            summary = run_population(loaded, settings_in_force(), export, into, options, RunProgress(say))
    except ExportError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    for what in summary.passed_over:
        err.print(escape(f"passed over {what}"))
    for fault in summary.faults[:MOST_SHOWN]:
        err.print(escape(f"not read: {fault}"))
    if summary.in_part:
        err.print(f"not known whole for anybody, since a line was lost: {', '.join(summary.in_part)}")
    told = ", ".join(f"{count} {name}" for name, count in summary.outcomes.items())
    out.print(escape(f"{into}: {summary.patients} patient(s): {told or 'none'}; {summary.bad_lines} line(s) not read"))
    raise typer.Exit(OK if summary.is_whole(accept_bad) else PROBLEMS)


@population.command()
def report(
    rows: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run.")],
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.", metavar="FORMAT")] = "markdown",
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="The smallest count of patients that is shown; 1 shows all.")
    ] = 11,
    rules: RulesFolder = None,
) -> None:
    """
    Print what a run says of its population: counts with bounds and reasons, no ids, small counts suppressed.

    Exits with 1 where a question cannot be answered, since a type it needs was not exported.

    [bold]Example:[/bold] cds population report rows-2026 --format html > report.html
    """
    if form not in FORMATS:
        raise typer.BadParameter(f"{form} is none of {', '.join(FORMATS)}.", param_hint="--format")
    try:
        summary, loaded = rules_of_run(rows, rules)
        found = report_of(loaded.program, summary, rows_in(rows), smallest)
    except ExportError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    sys.stdout.write(FORMATS[form](found))
    for question in found.questions:
        if question.not_exported:
            err.print(escape(f"{question.label} {answer_of_question(question)}"))
    raise typer.Exit(OK if found.answers_everything else PROBLEMS)


@population.command()
def show(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", exists=True, help="The export a run was made of.")],
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient as a row names it.")],
    as_of: AsOf = None,
    exported: Exported = "",
    rules: RulesFolder = None,
    today: Today = None,
) -> None:
    """
    Decide for one patient of an export again, and show why: what a row does not hold.

    [bold]Example:[/bold] cds population show export/ p1 --as-of 2026-01-01
    """
    now = day_of(today)
    day = _decided_for(as_of, now)
    loaded = rules_in(rules, day, cohorts=True)
    try:
        with cohort_in(export, _types(exported)) as cohort:
            body = cohort.body_of(patient, day.isoformat() if day < now else "")
        if body is None:
            raise ExportError(f"{export}: no patient is named so; take the name from `patient` of a row")
        record, service = read_record(body, loaded, settings_in_force())
    except (ExportError, RequestError) as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    conclusions = [name for name, head in loaded.program.heads.items() if head.is_an_authors]
    print_summary(loaded, decide(loaded, record, day, service), conclusions)


@population.command()
def omop(
    rows: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run.")],
    definition: Annotated[str, typer.Option("--definition", help="Published definition that the run decided.")],
    number: Annotated[int, typer.Option("--cohort-id", min=1, help="cohort_definition_id of the lines.")],
    persons: Annotated[
        Path | None,
        typer.Option(
            "--persons",
            exists=True,
            dir_okay=False,
            help="CSV with the columns patient and person_id; without it the ids of the patients are the person_ids.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """
    Print who meets a published definition as the OMOP table cohort, as CSV.

    [bold]Example:[/bold] cds population omop rows-2026 --definition ohdsi-1009 --cohort-id 1009 > cohort.csv
    """
    try:
        found = list(cohort_table(rows_in(rows), definition, number, _person_ids(persons) if persons else None))
    except (CohortTableError, ExportError) as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CohortRow._fields)
    writer.writerows(found)


def _person_ids(file: Path) -> dict[str, int]:
    with file.open(encoding="utf-8-sig", newline="") as reading:
        lines = csv.DictReader(reading)
        if not {"patient", "person_id"} <= set(lines.fieldnames or ()):
            raise typer.BadParameter(
                "its first line must name the columns patient and person_id.", param_hint="--persons"
            )
        found = {}
        for line in lines:
            try:
                found[line["patient"]] = int(line["person_id"])
            except (TypeError, ValueError):
                raise typer.BadParameter(
                    f"line {lines.line_num}: person_id is no whole number.", param_hint="--persons"
                ) from None
    return found
