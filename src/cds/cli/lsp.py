"""cds lsp: the language server, for editors."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from cds.cli.console import PROBLEMS, Today, day_of, err


def lsp(today: Today = None) -> None:
    """
    Serve an editor over standard input and output: mistakes as you type, completion, hover, definitions, rename.

    An editor starts it; docs/rule-authors/editor.md says how.

    [bold]Example:[/bold] cds lsp
    """
    if find_spec("pygls") is None:
        err.print("pygls is not installed: pip install 'thirdline\\[lsp]'.")
        raise typer.Exit(PROBLEMS)
    from cds.language_server.server import make_server  # noqa: PLC0415 (an extra)

    server = make_server(lambda: day_of(today))
    try:
        server.start_io()
    finally:
        server.stop()
