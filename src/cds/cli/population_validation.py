"""cds population validate | sample | group: a population's answers before a committee, and the lists behind them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from cds.cli.console import PROBLEMS, RulesFolder, err, out
from cds.cli.files import rules_of_run
from cds.errors import CdsError
from cds.population.accuracy import accuracy_of, labels_by_answer
from cds.population.chart_review import read_labels, read_sample, sample_of, write_review
from cds.population.group import MEMBER_ANSWERS, group_of, question_named
from cds.population.report import report_of
from cds.population.run import rows_in
from cds.population.statistics import statistics_installed
from cds.population.validation import validated, validation_of
from cds.population.validation_formats import VALIDATION_FORMATS

Rows = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run.")]
Smallest = Annotated[
    int, typer.Option("--smallest", min=1, help="The smallest count of patients that is shown; 1 shows all.")
]
Conclusion = Annotated[
    str, typer.Option("--conclusion", help="Conclusion to validate, where several have definitions.")
]
Definition = Annotated[str, typer.Option("--definition", help="Definition to validate; the one in use by default.")]


def _bands(text: str) -> list[int]:
    firsts = [part.strip() for part in text.split(",")]
    if not all(first.isdecimal() for first in firsts) or len({0, *map(int, firsts)}) != len(firsts) + 1:
        raise typer.BadParameter(f"{text} is no list of ages; write it as 18,30,45,65.", param_hint="--age-bands")
    return sorted(map(int, firsts))


def validate(
    rows: Rows,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", exists=True, dir_okay=False, help="form.csv with its labels.", show_default=False),
    ] = None,
    definition: Definition = "",
    conclusion: Conclusion = "",
    age_bands: Annotated[str, typer.Option("--age-bands", help="First ages of the bands.")] = "18,30,45,65",
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(VALIDATION_FORMATS)}.")] = "html",
    smallest: Smallest = 11,
    rules: RulesFolder = None,
) -> None:
    """
    Print what a committee asks before go-live: prevalence, agreement of definitions, subgroups, what is missing.

    With the labels of reviewed charts also sensitivity, specificity and predictive values.
    Needs the extra `population`.

    [bold]Example:[/bold] cds population validate rows-2026 --labels form.csv > validation.html
    """
    if form not in VALIDATION_FORMATS:
        raise typer.BadParameter(f"{form} is none of {', '.join(VALIDATION_FORMATS)}.", param_hint="--format")
    if not statistics_installed():
        err.print("It needs statsmodels and SciPy: pip install 'thirdline\\[population]'")
        raise typer.Exit(PROBLEMS)
    bands = _bands(age_bands)
    try:
        summary, loaded = rules_of_run(rows, rules)
        what = validated(loaded.program, conclusion, definition)
        counted = report_of(loaded.program, summary, rows_in(rows), smallest)
        found = validation_of(loaded.program, what, counted, rows_in(rows), bands)
        if labels is not None:
            sample = read_sample(rows, what.definition.id)
            returned = read_labels(labels, sample)
            drawn = labels_by_answer({number: chart.answer for number, chart in sample.items()}, returned)
            (told,) = (one for one in found.prevalence if one.label == what.definition.label)
            patients = {"true": told.yes, "false": told.no, "unknown": told.unknown}
            found = replace(found, accuracy=accuracy_of(patients, drawn, smallest))
    except CdsError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    sys.stdout.write(VALIDATION_FORMATS[form](found))


def sample(
    rows: Rows,
    per_answer: Annotated[int, typer.Option("--per-answer", min=1, help="Charts of each answer, at most.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same charts.")] = 1,
    definition: Definition = "",
    conclusion: Conclusion = "",
    rules: RulesFolder = None,
) -> None:
    """
    Draw charts to review into OUT/review: form.csv for the labels, a page to print for each chart, and sample.csv.

    Reviewers get form.csv and the pages, which do not say what the rules answered; sample.csv does.

    [bold]Example:[/bold] cds population sample rows-2026 --per-answer 60 --seed 2026
    """
    try:
        _, loaded = rules_of_run(rows, rules)
        what = validated(loaded.program, conclusion, definition)
        charts = sample_of(rows_in(rows), what, per_answer, seed)
        folder = write_review(rows, charts, what, loaded.program.labels[what.name])
    except CdsError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    out.print(escape(f"{folder}: {len(charts)} chart(s) to review"))


def group(
    rows: Rows,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Id of a question of the rules.")],
    answer: Annotated[str, typer.Option("--answer", help=f"Members: {' or '.join(MEMBER_ANSWERS)}.")] = "yes",
    rules: RulesFolder = None,
) -> None:
    """
    Print the patients for whom a question is answered yes as a FHIR Group; with --answer unknown those it is open for.

    It names patients: for those who may see them, and no part of a report.

    [bold]Example:[/bold] cds population group rows-2026 met-and-never-evaluated > group.json
    """
    if answer not in MEMBER_ANSWERS:
        raise typer.BadParameter(f"{answer} is none of {', '.join(MEMBER_ANSWERS)}.", param_hint="--answer")
    try:
        summary, loaded = rules_of_run(rows, rules)
        found = group_of(question_named(loaded.program, question), rows_in(rows), answer, summary.as_of)
    except CdsError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
