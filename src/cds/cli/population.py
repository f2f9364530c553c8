"""cds population: the same decision for every patient of an export."""

from __future__ import annotations

import csv
import os
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Definitions, RulesFolder, Today, day_of, err, out
from cds.cli.files import listed_ids, rules_in, rules_of_run
from cds.cli.population_diff import population_diff
from cds.cli.population_validation import group, sample, validate
from cds.cli.printing import print_summary
from cds.cli.run_options import (
    LOCAL,
    SPARK,
    AcceptBad,
    AsOf,
    AsOfDays,
    Engine,
    Exported,
    Jobs,
    Memory,
    RowFormat,
    decided_for,
    listed_types,
    run_options,
    say_what_was_not_used,
)
from cds.cli.run_progress import shown_progress
from cds.decide import decide
from cds.errors import RequestError
from cds.population.cohort import cohort_in
from cds.population.export import ExportError
from cds.population.omop import CohortRow, CohortTableError, cohort_table
from cds.population.report import report_of
from cds.population.report_formats import FORMATS, answer_of_question
from cds.population.row import DecisionRows
from cds.population.row_files import NDJSON
from cds.population.run import RunOptions, RunSummary, rows_in, run_population
from cds.population.shuffle import ReadLimits
from cds.read_request import read_record
from cds.settings import Settings

# The work is in Python: what a compiler that makes the most of Java takes, and collectors beside it, is not won back.
# Without a page of its own: it would listen on all addresses, and ask nobody who they are.
OF_ONE_MACHINE = (
    '--conf "spark.driver.defaultJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" '
    "--conf spark.ui.enabled=false pyspark-shell"
)

OF_JAVA = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")

population = typer.Typer(help="Decide for every patient of an export.", no_args_is_help=True)

population.command("diff")(population_diff)
population.command()(validate)
population.command()(sample)
population.command()(group)


@population.command()
def run(
    export: Annotated[str, typer.Argument(metavar="EXPORT", help="Folder of a bulk export, or of Bundles.")],
    into: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the rows; new, or of the same run.")],
    as_of: AsOfDays = None,
    exported: Exported = "",
    accept_bad: AcceptBad = 0,
    jobs: Jobs = None,
    memory: Memory = "1GB",
    form: RowFormat = NDJSON,
    engine: Engine = LOCAL,
    with_race: Annotated[
        bool, typer.Option("--with-race", help="Rows hold race and ethnicity, for subgroups of a validation.")
    ] = False,
    rules: RulesFolder = None,
    definitions: Definitions = None,
    today: Today = None,
) -> None:
    """
    Write a row for each patient and day into OUT/rows; what was done stays done if the run is ended.

    [bold]Example:[/bold] cds population run export/ rows-2026 --as-of 2026-01-01
    [bold]Example:[/bold] cds population run export/ rows --as-of index-days.csv --format parquet
    """
    if engine not in {LOCAL, SPARK}:
        raise typer.BadParameter(f"{engine} is none of {LOCAL}, {SPARK}.", param_hint="--engine")
    if engine == LOCAL and not Path(export).exists():
        raise typer.BadParameter(f"{export} does not exist.", param_hint="EXPORT")
    options = run_options(as_of, today, exported, accept_bad, jobs, form, memory)
    day = options.as_of if isinstance(options.as_of, date) else options.today
    asked = None if definitions is None else listed_ids(definitions)
    loaded = rules_in(rules, day, asked, cohorts=True)
    settings = settings_in_force()
    try:
        if engine == SPARK:
            shown = settings.show_definitions if asked is None else asked
            summary = _on_spark(export, into, options, (rules or settings.rules, day, shown, settings, with_race))
        else:
            with shown_progress() as progress:
                maker = DecisionRows(loaded, settings, with_race)
                summary = run_population(maker, Path(export), into, options, progress)
    except ExportError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    say_what_was_not_used(summary)
    told = ", ".join(f"{count} {name}" for name, count in summary.outcomes.items())
    out.print(escape(f"{into}: {summary.patients} patient(s): {told or 'none'}; {summary.bad_lines} line(s) not read"))
    raise typer.Exit(OK if summary.is_whole(accept_bad) else PROBLEMS)


def _on_spark(
    export: str, into: Path, options: RunOptions, sent: tuple[Path, date, tuple[str, ...], Settings, bool]
) -> RunSummary:  # fmt: skip
    """A run in the Spark session there is, or one of this machine."""
    if find_spec("pyspark") is None or find_spec("pyarrow") is None:
        raise ExportError("Spark needs pyspark and pyarrow: install them with `pip install 'thirdline[spark]'`")
    from pyspark import SparkConf  # noqa: PLC0415 (an extra)
    from pyspark.sql import SparkSession  # noqa: PLC0415 (an extra)

    from cds.population.spark import SentRules, run_on_spark  # noqa: PLC0415 (an extra)

    if str(SparkConf().get("spark.master", "local")).startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark would take python3 of PATH, which lacks us
        if not _is_configured():
            os.environ.setdefault("PYSPARK_SUBMIT_ARGS", OF_ONE_MACHINE)
    return run_on_spark(SparkSession.builder.getOrCreate(), SentRules.of(*sent), export, into, options)


def _is_configured() -> bool:
    """Whether a site has settings of its own: of Spark, or of Java, which takes one collector only."""
    home = os.environ.get("SPARK_HOME")
    folders = [os.environ.get("SPARK_CONF_DIR"), f"{home}/conf" if home else None]
    return any(name in os.environ for name in OF_JAVA) or any(
        Path(folder, "spark-defaults.conf").is_file() for folder in folders if folder
    )


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
    day = decided_for(as_of, now)
    loaded = rules_in(rules, day, cohorts=True)
    try:
        with cohort_in(
            export, listed_types(exported), ReadLimits(most_resources=settings_in_force().most_entries)
        ) as cohort:
            named = cohort.called(patient)
            if named is None:
                raise ExportError(f"{export}: no patient is named so; take the name from `patient` of a row")
            record, service = read_record(named.body_as_of(day, now), loaded, settings_in_force())
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
