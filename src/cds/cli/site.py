"""cds site parameters: what a site may set, what is in force, and who reads it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, out, print_problems
from cds.rulebook.loader import read_rulebook
from cds.rulebook.site_parameters import SettableParameter, settable_parameters
from cds.yaml_source.correction import did_you_mean

site = typer.Typer(help="What a site may change, and what it has changed.", no_args_is_help=True)


@site.callback()
def any_site_command() -> None:
    """What a site may change, and what it has changed."""


@site.command("parameters")
def parameters(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[SITE]", help="A site's folder, or one of rules; the shipped ones by default."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only these; several times.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """
    List every parameter a site may set: range, unit, value in force and where it is written, evidence, who reads it.

    [bold]Example:[/bold] cds site parameters site
    [bold]Example:[/bold] cds site parameters site --only trials_required
    [bold]Example:[/bold] cds site parameters --json
    """
    folder = path or settings_in_force().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="SITE")
    book = read_rulebook(folder)
    if errors := [problem for problem in book.problems if not problem.warning]:
        print_problems(errors)
        raise typer.Exit(PROBLEMS)
    found = settable_parameters(book)
    for name in only or ():
        if name not in {one.name for one in found}:
            fixed = any(name in rule.model.parameters for rule in book.rules.values())
            what = "its file does not let a site set it; ask its owners." if fixed else "there is no such parameter. "
            hint = "" if fixed else did_you_mean(name, [one.name for one in found], "Without --only all are listed.")
            raise typer.BadParameter(f"{name}: {what}{hint}", param_hint="--only")
    found = [one for one in found if not only or one.name in only]
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False) + "\n")
        raise typer.Exit(OK)
    for one in found:
        out.print(escape(_shown(one)))
    changed = sum(one.value != one.shipped for one in found)
    out.print(f"{len(found)} parameter(s) a site may set, {changed} with another value here")
    raise typer.Exit(OK)


def _shown(one: SettableParameter) -> str:
    unit = f" {one.unit}" if one.unit else ""
    if isinstance(one.value, str):
        may_be = f"one of {', '.join(map(str, one.may_be))}"
    else:
        may_be = f"{one.may_be[0]:g} to {one.may_be[1]:g}{unit}" if len(one.may_be) == 2 else ""
    value = f"{one.value}{unit}"
    if one.by:
        value += f" instead of {one.shipped}; {one.because} ({one.by}, review {one.review})"
    lines = [one.name, f"  now       {value}", f"  may be    {may_be}", f"  written   {one.set_in}"]
    for entry in one.evidence:
        lines.append(f"  evidence  {entry.cite}: {entry.says}{'' if entry.verified else ' (unverified)'}")
    if one.note:
        lines.append(f"  note      {one.note}")
    for rule, names in one.read_by.items():
        lines.append(f"  read by   {rule}: {', '.join(names)}")
    lines.append(f"  cards     {', '.join(one.cards) or 'none rests on it'}")
    return "\n".join(lines)
