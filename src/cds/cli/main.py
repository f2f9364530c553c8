"""cds serve | evaluate | explain | check | test | … | population | journal: one verb, one thing; a file for each."""

from __future__ import annotations

from typing import Annotated

import typer

from cds import __version__
from cds.cli.attributes import attributes
from cds.cli.check import check
from cds.cli.config import config
from cds.cli.console import OK, out
from cds.cli.console_link import console_link
from cds.cli.diff import diff
from cds.cli.evaluate import evaluate, explain_command
from cds.cli.fix import fix
from cds.cli.journal import journal
from cds.cli.lock import lock
from cds.cli.lsp import lsp
from cds.cli.make import docs, fmt, new
from cds.cli.packet import packet_command
from cds.cli.population import population
from cds.cli.replay import replay
from cds.cli.schema import schema
from cds.cli.serve import serve
from cds.cli.site import site
from cds.cli.terminology import terminology
from cds.cli.test import test
from cds.cli.vocabulary import vocabulary

app = typer.Typer(
    help="Decision support by rule files: FHIR in, checkable cards out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(evaluate)
app.command(name="explain")(explain_command)
app.command(name="packet")(packet_command)
app.command()(check)
app.command()(fix)
app.command()(test)
app.command()(schema)
app.add_typer(journal, name="journal")
app.command()(replay)
app.add_typer(population, name="population")
app.command()(lock)
app.command()(fmt)
app.command()(docs)
app.command()(lsp)
app.command()(attributes)
app.add_typer(new, name="new")
app.add_typer(site, name="site")
app.command()(diff)
app.add_typer(terminology, name="terminology")
app.command()(vocabulary)
app.command()(config)
app.command(name="console-link")(console_link)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"thirdline {__version__}", highlight=False)
        raise typer.Exit(OK)


@app.callback()
def any_command(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Decision support by rule files: FHIR in, checkable cards out."""


def main() -> None:
    """Run the command line."""
    app()
