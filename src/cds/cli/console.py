"""What every command prints with, and the options several of them take."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cds.yaml_source.problem import Problem

OK, PROBLEMS, WRONG_USE = 0, 1, 2  # typer itself exits with the last
WIDE = 120  # columns for what is read from a file or pipe
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)

RulesFolder = Annotated[
    Path | None, typer.Option("--rules", help="Folder of rule files; the shipped ones by default.", show_default=False)
]
Today = Annotated[
    str | None,
    typer.Option("--today", help="Decide as of this day (YYYY-MM-DD) instead of the real one.", show_default=False),
]

Definitions = Annotated[
    str | None,
    typer.Option(
        "--definitions",
        help="Published definitions to decide as well: their ids, separated by commas, or all.",
        show_default=False,
    ),
]


def day_of(text: str | None) -> date:
    """The day an option names; the real one without it."""
    if text is None:
        return date.today()  # noqa: DTZ011 (the local day is the clinic's day)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a day; write it as 2026-06-01.", param_hint="--today") from None


def print_problems(problems: Iterable[Problem]) -> None:
    """Every problem, and how many there are."""
    listed = list(problems)
    for problem in listed:
        err.print(escape(str(problem)))
    errors = sum(not problem.warning for problem in listed)
    if listed:
        err.print(f"{errors} error(s), {len(listed) - errors} warning(s)")
