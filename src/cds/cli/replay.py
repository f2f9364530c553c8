"""`cds replay`: kept decisions made again, and compared with their receipts."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import PROBLEMS, err, out
from cds.cli.journal import first_day, store_in_force


def replay(
    since: Annotated[
        str | None, typer.Option("--since", help="Only what was decided from this day on.", show_default=False)
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only decisions of this tenant.", show_default=False)
    ] = None,
) -> None:
    """
    Decide every kept input again by the rules that decided it, and compare with the receipt, byte for byte.

    Names each decision that comes out otherwise, and what of it; nothing of a patient. Exits 1 if there is one, and if
    no decision could be made again.

    [bold]Example:[/bold] cds replay --since 2026-06-01
    """
    from cds import __version__  # noqa: PLC0415 (a test replays as another version)
    from cds.journal.period import JournalPeriod  # noqa: PLC0415 (not needed by the other commands)
    from cds.replay import replayed  # noqa: PLC0415

    counts: Counter[str] = Counter()
    with store_in_force() as store:
        for one in replayed(store, settings_in_force(), JournalPeriod(first_day(since), tenant=tenant)):
            counts["all"] += 1
            counts["of other versions"] += one.engine != __version__
            if one.identical:
                counts["identical"] += 1
                continue
            counts["failed" if one.failed else "different"] += 1
            what = f"not decided again: {one.failed}" if one.failed else f"differs in {'; '.join(one.differs)}"
            made = f"{one.decided_at.isoformat(timespec='seconds')}, rules {one.rules}, version {one.engine}"
            out.print(escape(f"{one.id} ({made}): {what}"), soft_wrap=True)
    if not counts["all"]:
        err.print("no decision here has its data kept: CDS_KEEP_INPUTS_DAYS keeps those of later ones")
        raise typer.Exit(PROBLEMS)
    out.print(
        f"{counts['all']} decisions: {counts['identical']} identical, {counts['different']} different, "
        f"{counts['failed']} not decided again; {counts['of other versions']} were made by another version than "
        f"{__version__}",
        soft_wrap=True,
    )
    if counts["identical"] < counts["all"]:
        raise typer.Exit(PROBLEMS)
