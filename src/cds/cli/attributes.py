"""cds attributes: what US law wants users to be able to know of each rule file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, out, print_problems
from cds.rulebook.lint.lint import check, keeping_from_running
from cds.rulebook.loader import read_rulebook
from cds.rulebook.source_attributes import PARAGRAPHS, REGULATION, AttributeUse, SourceAttributes, source_attributes

NOT_SAID = "not said"  # `cds check` asks for it


def attributes(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of rule files; the shipped ones by default.", show_default=False)
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only this rule file.", show_default=False)] = None,
    today: Today = None,
    json: Annotated[bool, typer.Option("--json", help="A list of JSON objects, as GET /source-attributes.")] = False,
) -> None:
    """
    Show the source attributes of rule files: citations, developer, funding, dates, and what of the person is used.

    [bold]Example:[/bold] cds attributes rules
    [bold]Example:[/bold] cds attributes rules --rule evaluation --json
    """
    folder = path or settings_in_force().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="PATH")
    book = read_rulebook(folder)
    problems = keeping_from_running(check(book, today=day_of(today)))
    if problems:
        print_problems(problems)
        raise typer.Exit(PROBLEMS)
    found = source_attributes(book)
    if rule is not None and rule not in found:
        raise typer.BadParameter(f"there is no rule file {rule}; there is {', '.join(found)}.", param_hint="--rule")
    shown = [found[rule]] if rule is not None else list(found.values())
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")
    else:
        out.print(f"Source attributes, {REGULATION}")
        for one in shown:
            out.print()
            out.print(_table(one))
    raise typer.Exit(OK)


def _table(one: SourceAttributes) -> Table:
    table = Table(title=escape(f"{one.rule} {one.version} ({one.status}): {one.title}"), title_justify="left")
    for column in ("", "attribute", "what"):
        table.add_column(column)
    released = f"released {one.released}" + (f", revised {one.revised}" if one.revised else "")
    said = {
        "citations": "\n".join(c.cite + ("" if c.verified else " (not verified)") for c in one.citations),
        "developer": one.developer,
        "funding": one.funding,
        "released": released if one.released else "",
    }
    for key, what in (said | {use.attribute: _use(use) for use in one.uses}).items():
        number, name = PARAGRAPHS[key]
        table.add_row(str(number), escape(name), escape(what or NOT_SAID))
    for change in one.site_changes:
        table.add_row("", "Different at this site", escape(f"{change.what}: {change.says}"))
    return table


def _use(use: AttributeUse) -> str:
    if use.used is None:
        return ""
    read = ", ".join(fact.fact for fact in use.read_by)
    return f"yes: {use.why} ({read})" if use.used else "no"
