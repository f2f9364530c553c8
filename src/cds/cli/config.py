"""`cds config`: the settings in force, and where each is from."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from cds.cli.console import WRONG_USE, err, out
from cds.configuration import DEFAULT, FILE, SECRETS, Configuration, SettingsError, configure
from cds.settings import Settings


def settings_in_force(**options: Any) -> Settings:
    """The settings in force with these options; says what is wrong with them and exits 2."""
    found = _configuration(options)
    for notice in found.notices:
        err.print(f"[yellow]{escape(notice)}[/yellow]")
    return found.settings


def _configuration(options: dict[str, Any]) -> Configuration:
    try:
        return configure(options)
    except SettingsError as wrong:
        for line in wrong.lines:
            err.print(escape(line))
        raise typer.Exit(WRONG_USE) from None


def config(
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not the default.")] = False,
) -> None:
    """
    Show the settings in force and where each is from; secrets are never shown.

    [bold]Example:[/bold] cds config --changed
    """
    found = _configuration({})
    rows = [row for row in found.shown() if not changed or row[2] != DEFAULT]
    if json:
        values = {name: {"value": value, "from": origin} for name, value, origin in rows}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(values), indent=2).decode() + "\n")
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
    for notice in found.notices:
        err.print(f"[yellow]{escape(notice)}[/yellow]")
    err.print(f"Also read: the file {FILE} names (TOML), and the folder {SECRETS} names (a file for each secret).")
