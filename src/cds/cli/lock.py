"""cds lock: write rules.lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cds.cli.console import OK, PROBLEMS, Today, day_of, out, print_problems
from cds.cli.files import folder_to_write
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import LOCK, read_rulebook
from cds.rulebook.lock import lock_text, not_fixed


def lock(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of rule files; the nearest one above by default.", show_default=False)
    ] = None,
    today: Today = None,
    forget: Annotated[bool, typer.Option("--forget", help="Drop rule files that are no longer there.")] = False,
) -> None:
    """
    Write down version and meaning of every rule file in rules.lock, once each change has a version of its own.

    [bold]Example:[/bold] cds lock rules
    """
    folder = folder_to_write(path, "PATH")
    book = read_rulebook(folder)
    problems = [problem for problem in check(book, today=day_of(today)) if not problem.warning]
    problems = problems or not_fixed(book, forget=forget)
    if problems:
        print_problems(problems)
        raise typer.Exit(PROBLEMS)
    (folder / LOCK).write_text(lock_text(book), encoding="utf-8")
    out.print(f"{folder / LOCK}: {len(book.rules)} rule files")
    raise typer.Exit(OK)
