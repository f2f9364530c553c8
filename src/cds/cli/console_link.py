"""cds console-link: another way into the console of this machine."""

from __future__ import annotations

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import PROBLEMS, err, out


def console_link() -> None:
    """
    Print a link that lets whoever opens it first into the console of this machine.

    Needs the journal that the service uses, whose key signs the link.

    [bold]Example:[/bold] cds console-link
    """
    from cds.app import UnsafeSettingsError, access_to_console  # noqa: PLC0415 (not needed by the other commands)
    from cds.journal.journal import journal_from  # noqa: PLC0415
    from cds.journal.store import StoreDownError  # noqa: PLC0415

    settings = settings_in_force(console=True)
    try:
        journal = journal_from(settings)
        if journal is None:
            raise typer.BadParameter(
                "without a journal, only the link printed at start works.", param_hint="CDS_JOURNAL"
            )
        access = access_to_console(settings, journal)
        link = access.link() if access is not None else ""
    except (ValueError, UnsafeSettingsError, StoreDownError) as wrong:
        err.print(escape(str(wrong)))
        raise typer.Exit(PROBLEMS) from None
    journal.store.close()
    if not link:
        raise typer.BadParameter("people sign in to this console; there are no links.", param_hint="CDS_OIDC_ISSUER")
    out.print(escape(link), soft_wrap=True, highlight=False)
