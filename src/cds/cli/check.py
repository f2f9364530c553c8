"""cds check: every mistake in rule files and test files; or departures of FHIR data from the specification."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rapidfuzz import process
from rich.markup import escape

from cds.authoring.strict_fhir import strict_fhir as strict_fhir_problems
from cds.authoring.testing.check import check_folder
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, err, out
from cds.cli.files import bodies_of
from cds.cli.formats import FORMATS
from cds.cli.printing import print_refusal
from cds.errors import RequestError
from cds.rulebook.loader import read_rulebook
from cds.rulebook.shipped import check_pages
from cds.rulebook.site_parameters import reach_of, settable_parameters


def check(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of rule files; the shipped ones by default.", show_default=False)
    ] = None,
    today: Today = None,
    format: Annotated[  # noqa: A002 (the word an author types)
        str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")
    ] = "text",
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes.")] = False,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="NAME", help="Print the page of a check instead.", show_default=False),
    ] = None,
    strict_fhir: Annotated[
        Path | None,
        typer.Option("--strict-fhir", help="Check a file of FHIR data against R4B instead.", show_default=False),
    ] = None,
) -> None:
    """
    Find every mistake in every rule file and test file at once; or lint somebody's FHIR data.

    [bold]Example:[/bold] cds check rules
    [bold]Example:[/bold] cds check rules --watch
    [bold]Example:[/bold] cds check rules --format sarif > check.sarif
    [bold]Example:[/bold] cds check --explain list-age
    [bold]Example:[/bold] cds check --strict-fhir fhir_examples/bundle.json
    """
    if explain is not None:
        _explain(explain)
    if strict_fhir is not None:
        _lint(strict_fhir)
    folder = path or settings_in_force().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="PATH")
    if format not in FORMATS:
        raise typer.BadParameter(f"there is {', '.join(FORMATS)}.", param_hint="--format")
    errors = _check(folder, day_of(today), format)
    if watch:
        from watchfiles import watch as changes_in  # noqa: PLC0415 (not needed by the other commands)

        watched: tuple[Path, ...] = ()
        while (folders := read_rulebook(folder).folders) != watched:  # a site may name other rules
            watched = folders
            err.print(f"watching {' and '.join(map(str, watched))}; stop with Ctrl+C")
            for _ in changes_in(*watched, raise_interrupt=False):
                errors = _check(folder, day_of(today), format)
                if read_rulebook(folder).folders != watched:
                    break
    raise typer.Exit(PROBLEMS if errors else OK)


def _check(folder: Path, today: date, format_: str) -> int:
    """Check a folder, print what is wrong, and say how many errors there are."""
    problems = check_folder(folder, today)
    errors = sum(not problem.warning for problem in problems)
    if format_ == "text":
        err.print(escape(FORMATS[format_](problems)), end="")
        _say_overrides(folder)
        out.print(f"{folder}: {errors} error(s), {len(problems) - errors} warning(s)")
    else:
        sys.stdout.write(FORMATS[format_](problems))
    return errors


def _say_overrides(folder: Path) -> None:
    """What is different at a site, and what of the shipped rules rests on it."""
    book = read_rulebook(folder)
    settable = settable_parameters(book) if book.overrides else []
    for override in book.overrides:
        reach = reach_of(override.what, settable)
        out.print(escape(f"{override.what}: {override.says}" + (f"; {reach}" if reach else "")))


def _explain(name: str) -> NoReturn:
    """Print what a check asks for and why, as its page says; without a network, from the package."""
    pages = check_pages()
    if name not in pages:
        close = process.extractOne(name, list(pages), score_cutoff=60)
        hint = f"Did you mean {close[0]}?" if close else "Its name is in the message, after the line and column."
        raise typer.BadParameter(f"there is no check {name}. {hint}", param_hint="--explain")
    text = pages[name].read_text("utf-8").rsplit("[All checks]", maxsplit=1)[0].rstrip()
    sys.stdout.write(text + "\n")
    raise typer.Exit(OK)


def _lint(file: Path) -> NoReturn:
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder; name a file.", param_hint="--strict-fhir")
    ((name, body),) = bodies_of([file])
    try:
        found = strict_fhir_problems(body)
    except RequestError as refusal:
        print_refusal(name, refusal)
        raise typer.Exit(PROBLEMS) from None
    for line in found:
        err.print(escape(line))
    out.print(f"{name}: {len(found)} departure(s) from FHIR R4B")
    raise typer.Exit(PROBLEMS if found else OK)
