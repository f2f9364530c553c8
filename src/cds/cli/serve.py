"""cds serve: start the service."""

from __future__ import annotations

import atexit
import math
import os
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import PROBLEMS, RulesFolder, err, print_problems
from cds.configuration import variable_of
from cds.parallel import collecting_seldom
from cds.rulebook.loader import SITE
from cds.yaml_source.problem import RulesError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from cds.journal.journal import Journal
    from cds.settings import Settings

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where workers count
PROTOCOL = "cds.api.http_protocol:BoundedProtocol"
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
    settings = settings_in_force(**changes)
    if settings.workers > 1:
        _set_up_workers(settings)

    with collecting_seldom():
        import uvicorn  # noqa: PLC0415 (not needed by the other commands; counts look for their folder when loaded)

        from cds.app import UnsafeSettingsError, create_app  # noqa: PLC0415
        from cds.journal.journal import journal_from  # noqa: PLC0415
        from cds.telemetry.logs import log_by  # noqa: PLC0415
        from cds.telemetry.traces import refuse_traces, trace_by  # noqa: PLC0415

        log_by(settings)
        try:
            refuse_traces(settings) if settings.workers > 1 else trace_by(settings)
        except ValueError as wrong:
            raise typer.BadParameter(f"{wrong}.", param_hint="CDS_TRACES_ENDPOINT") from None
        try:
            kept = journal_from(settings)
        except ValueError as wrong:
            raise typer.BadParameter(f"{wrong}.", param_hint="CDS_JOURNAL") from None
        try:
            service = create_app(settings, journal=kept)
        except (RulesError, UnsafeSettingsError) as wrong:
            if isinstance(wrong, RulesError):
                print_problems(wrong.problems)
            else:
                err.print(escape(str(wrong)))
            err.print("The service was not started.")
            raise typer.Exit(PROBLEMS) from None
    if settings.console:
        _print_link(service)
    # Several workers make it anew, each its own, from the environment; this one has shown that it can be made.
    os.environ.update({variable_of(name): str(value) for name, value in changes.items()})
    if settings.workers > 1:
        _leave_it_to_workers(kept)
    uvicorn.run(
        service if settings.workers == 1 else "cds.serving:served",
        factory=settings.workers > 1,
        workers=settings.workers,
        host=settings.host,
        port=settings.port,
        http=PROTOCOL,
        ws="none",
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=str(settings.tls_client_ca) if settings.tls_client_ca is not None else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca is not None else ssl.CERT_NONE,
        forwarded_allow_ips=list(settings.trusted_proxies),
        log_config=None,
        access_log=False,
        # What is under way when it is stopped is still answered; nothing takes longer than this.
        timeout_graceful_shutdown=math.ceil(settings.request_timeout) + 1,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )


def _set_up_workers(settings: Settings) -> None:
    """Set up what must be there before counts and rules are loaded."""
    if settings.metrics and METRICS_FOLDER not in os.environ:
        os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix="thirdline-metrics-")
        atexit.register(shutil.rmtree, os.environ[METRICS_FOLDER], ignore_errors=True)

    from cds.ready_rules import MadeBefore  # noqa: PLC0415 (as in `serve`)

    MadeBefore.by_folder = {}


def _leave_it_to_workers(kept: Journal | None) -> None:
    """Let workers find this process, and each other; let go of what this one holds: it counts and decides nothing."""
    from cds.api import workers  # noqa: PLC0415 (as in `serve`)
    from cds.api.copied_workers import copy_for_workers  # noqa: PLC0415
    from cds.telemetry.metrics import forget_this_process  # noqa: PLC0415

    os.environ[workers.MASTER] = str(os.getpid())
    os.environ[workers.STATES] = str(workers.make_states_file())
    atexit.register(Path(os.environ[workers.STATES]).unlink, missing_ok=True)
    if kept is not None:
        kept.store.close()
    forget_this_process()
    copy_for_workers()


def _print_link(service: FastAPI) -> None:
    """Print the way into the console of this machine: to the terminal, never into the log."""
    from cds.journal.store import StoreDownError  # noqa: PLC0415

    try:
        link = service.state.console_link()
    except StoreDownError:
        err.print("The journal cannot be used now; cds console-link prints the link into the console once it can.")
        return
    if link:
        err.print(escape(f"The console opens once by {link}"), soft_wrap=True, highlight=False)
