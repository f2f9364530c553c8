"""cds serve: start the service."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.cli.console import PROBLEMS, RulesFolder, err, print_problems
from cds.rulebook.loader import SITE
from cds.settings import Settings
from cds.yaml_source.problem import RulesAreWrong

WORKER_SECONDS = 30  # without a sign of life from a worker; then another takes its place


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [CDS_HOST].", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [CDS_PORT].", show_default=False)] = None,
    rules: RulesFolder = None,
    site: Annotated[
        Path | None,
        typer.Option("--site", help="Folder of a site: its site.yaml names the rules.", show_default=False),
    ] = None,
    watch: Annotated[
        bool | None,
        typer.Option(
            "--watch", help="Take changed rules once they check and their tests pass [CDS_WATCH].", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that answer [CDS_WORKERS].", min=1, max=64, show_default=False),
    ] = None,
    unauthenticated: Annotated[
        bool | None,
        typer.Option(
            "--unauthenticated", help="Let anybody call, on any address [CDS_UNAUTHENTICATED].", show_default=False
        ),
    ] = None,
    console: Annotated[
        bool | None,
        typer.Option("--console", help="Show the console at /console [CDS_CONSOLE].", show_default=False),
    ] = None,
) -> None:
    """
    Start the service.

    [bold]Example:[/bold] cds serve --port 8000
    [bold]Example:[/bold] cds serve --console
    """
    import uvicorn  # noqa: PLC0415 (not needed by the other commands)

    from cds.app import NotSafe, create_app  # noqa: PLC0415
    from cds.journal.journal import journal_from  # noqa: PLC0415
    from cds.serving import log_by  # noqa: PLC0415

    if site is not None:
        if rules is not None or not (site / SITE).is_file():
            raise typer.BadParameter(f"name a folder that holds {SITE}, and no --rules.", param_hint="--site")
        rules = site
    options = {
        "host": host,
        "port": port,
        "rules": rules,
        "workers": workers,
        "unauthenticated": unauthenticated,
        "watch": watch,
        "console": console,
    }
    changes = {name: value for name, value in options.items() if value is not None}
    settings = Settings().model_copy(update=changes)
    log_by(settings)
    try:
        kept = journal_from(settings)
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}.", param_hint="CDS_JOURNAL") from None
    try:
        service = create_app(settings, journal=kept)
    except (RulesAreWrong, NotSafe) as wrong:
        if isinstance(wrong, RulesAreWrong):
            print_problems(wrong.problems)
        else:
            err.print(escape(str(wrong)))
        err.print("The service was not started.")
        raise typer.Exit(PROBLEMS) from None
    # Several workers make it anew, each its own, from the environment; this one has shown that it can be made.
    os.environ.update({f"CDS_{name.upper()}": str(value) for name, value in changes.items()})
    uvicorn.run(
        service if settings.workers == 1 else "cds.serving:served",
        factory=settings.workers > 1,
        workers=settings.workers,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # What is under way when it is stopped is still answered; nothing takes longer than this.
        timeout_graceful_shutdown=math.ceil(settings.most_seconds) + 1,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )
