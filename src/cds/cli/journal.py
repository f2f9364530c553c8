"""cds journal: records of decisions, and what clinicians did with the cards."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from cds.cli.config import settings_in_force
from cds.cli.console import PROBLEMS, err, out

if TYPE_CHECKING:
    from cds.journal.store import Store

FOLLOW_SECONDS = 1.0  # between two looks at the journal
journal = typer.Typer(help="Receipts of decisions, and what clinicians did with the cards.", no_args_is_help=True)


@contextmanager
def store_in_force() -> Iterator[Store]:
    """The journal the settings name; says what is wrong with it and exits 1, or 2 when none is kept."""
    from cds.journal.journal import store_from  # noqa: PLC0415 (not needed by the other commands)
    from cds.journal.store import StoreDownError  # noqa: PLC0415

    try:
        store = store_from(settings_in_force())
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}.", param_hint="CDS_JOURNAL") from None
    if store is None:
        raise typer.BadParameter("it is set to none: no journal is kept.", param_hint="CDS_JOURNAL")
    try:
        yield store
    except StoreDownError as down:
        err.print(escape(f"{store.name}: the journal cannot be used: {down}."))
        raise typer.Exit(PROBLEMS) from None
    finally:
        store.close()


@journal.command()
def migrate() -> None:
    """
    Make the tables, or bring them up to date; `cds serve` does it too.

    [bold]Example:[/bold] cds journal migrate
    """
    with store_in_force() as store:
        store.open()
        out.print(escape(f"{store.name} is up to date"))


@journal.command(name="prune")
def prune_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """
    Remove what is older than the settings say; `cds serve` does it every six hours.

    [bold]Example:[/bold] cds journal prune --dry-run
    """
    from cds.journal.journal import keep_from  # noqa: PLC0415
    from cds.journal.retention import prune  # noqa: PLC0415

    with store_in_force() as store:
        removed = prune(store, keep_from(settings_in_force()), datetime.now(UTC), dry_run=dry_run)
    listed = ", ".join(f"{count} {name}" for name, count in removed.items())
    out.print(f"{'would remove' if dry_run else 'removed'} {listed}")


@journal.command(name="stats")
def stats_command(
    since: Annotated[
        str | None, typer.Option("--since", help="Only what was decided from this day on.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """
    Count what was shown, accepted and overridden, by rule and version.

    [bold]Example:[/bold] cds journal stats --since 2026-06-01
    """
    from cds.journal.period import JournalPeriod  # noqa: PLC0415
    from cds.journal.stats import stats  # noqa: PLC0415

    with store_in_force() as store:
        found = stats(store, JournalPeriod(first_day(since)))
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
        return
    table = Table("rule", "version", "card", "shown", "accepted", "overridden", "no word", "silent", "reasons")
    for tally in found.tallies:
        unsaid = tally.shown - tally.accepted - tally.overridden
        reasons = ", ".join(f"{reason or 'none given'} {count}" for reason, count in tally.reasons.most_common())
        counts = (str(count) for count in (tally.shown, tally.accepted, tally.overridden, unsaid, tally.silent))
        table.add_row(escape(tally.rule), escape(tally.version), escape(tally.card), *counts, escape(reasons))
    out.print(table)
    out.print(f"{found.decisions} decisions; feedback on {found.unknown_cards} cards without a receipt here")


@journal.command(name="settled")
def settled_command(
    since: Annotated[
        str | None, typer.Option("--since", help="Only what was decided from this day on.", show_default=False)
    ] = None,
) -> None:
    """
    Write as CSV what stayed unknown, by what was missing: how much was settled, after how long, and what it became.

    [bold]Example:[/bold] cds journal settled --since 2026-06-01 > settled.csv
    """
    from cds.cli.console import day_of  # noqa: PLC0415
    from cds.cli.files import rules_in  # noqa: PLC0415
    from cds.journal.period import JournalPeriod  # noqa: PLC0415
    from cds.journal.settled import settled, settled_as_csv  # noqa: PLC0415

    period = JournalPeriod(first_day(since))
    names = rules_in(None, day_of(None)).program.definitions
    with store_in_force() as store:
        sys.stdout.write(settled_as_csv(settled(store, period, names)))


@journal.command(name="feedback")
def feedback_command(
    since: Annotated[
        str | None, typer.Option("--since", help="Only what was decided from this day on.", show_default=False)
    ] = None,
) -> None:
    """
    Write every word that was said of cards as CSV, in the terms of 45 CFR 170.315(b)(11)(ii)(C).

    [bold]Example:[/bold] cds journal feedback --since 2026-06-01 > feedback.csv
    """
    from cds.journal.export import feedback_as_csv  # noqa: PLC0415
    from cds.journal.period import JournalPeriod  # noqa: PLC0415

    with store_in_force() as store:
        sys.stdout.write(feedback_as_csv(store, JournalPeriod(first_day(since))))


@journal.command(name="decisions")
def decisions_command(
    since: Annotated[
        str | None, typer.Option("--since", help="Only what was decided from this day on.", show_default=False)
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with each decision that is made, until Ctrl-C.")
    ] = False,
) -> None:
    """
    Write every decision as a line of JSON (NDJSON), oldest first; patients and users are keyed digests.

    [bold]Example:[/bold] cds journal decisions --since 2026-06-01 > decisions.ndjson
    [bold]Example:[/bold] cds journal decisions --follow | nc collector 5170
    """
    from cds.journal.decision_log import decisions_as_ndjson, decisions_as_they_come  # noqa: PLC0415
    from cds.journal.period import JournalPeriod  # noqa: PLC0415

    def pause() -> None:
        sys.stdout.buffer.flush()
        time.sleep(FOLLOW_SECONDS)

    with store_in_force() as store:
        period = JournalPeriod(first_day(since))
        lines = decisions_as_they_come(store, period, pause) if follow else decisions_as_ndjson(store, period)
        with suppress(KeyboardInterrupt, BrokenPipeError):
            for line in lines:
                sys.stdout.buffer.write(line)


@journal.command(name="audit")
def audit_command(
    since: Annotated[
        str | None, typer.Option("--since", help="Only looks from this day on.", show_default=False)
    ] = None,
) -> None:
    """
    Write who looked at what as FHIR R4 AuditEvents in the shapes of IHE BALP, one a line, oldest first.

    [bold]Example:[/bold] cds journal audit --since 2026-06-01 > audit.ndjson
    """
    from cds.journal.audit import audit_as_ndjson  # noqa: PLC0415

    with store_in_force() as store:
        for line in audit_as_ndjson(store, first_day(since)):
            sys.stdout.buffer.write(line)


@journal.command(name="disagreements")
def disagreements_command(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were acknowledged.")] = False,
) -> None:
    """
    List decisions on which the two engines disagreed: until each is acknowledged, /health is degraded.

    [bold]Example:[/bold] cds journal disagreements
    """
    from cds.journal.disagreements import read_disagreements  # noqa: PLC0415

    with store_in_force() as store:
        listed = read_disagreements(store, acknowledged=everything)
    for one in listed:
        on = ", ".join(f"{name}: {truths}" for name, truths in one.heads.items()) or "not known"
        by = f"; acknowledged by {one.acknowledged_by}" if one.acknowledged_at is not None else ""
        at = one.at.isoformat(timespec="seconds")
        tenant = f", tenant {one.tenant}" if one.tenant else ""
        out.print(escape(f"{one.id} {at}{tenant}, {one.address}, version {one.engine}: {on}{by}"), soft_wrap=True)
    if not listed:
        out.print("none")


@journal.command(name="acknowledge")
def acknowledge_command(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Which, as cds journal disagreements names them.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
) -> None:
    """
    Acknowledge disagreements of the engines; who did is written into the audit log.

    [bold]Example:[/bold] cds journal acknowledge --all
    """
    from cds.journal.audit import AuditAction, AuditEntry  # noqa: PLC0415
    from cds.journal.disagreements import acknowledge  # noqa: PLC0415

    if bool(ids) == everything:
        raise typer.BadParameter("name some, or write --all.", param_hint="IDS")
    who = f"{getpass.getuser()} on the command line"
    at, action, address = datetime.now(UTC), AuditAction.ACKNOWLEDGED, "cds journal acknowledge"
    entry = AuditEntry(at, action, who, "", "", address, "", "", "this machine")
    with store_in_force() as store:
        count = acknowledge(store, entry, ids=None if everything else ids)
    out.print(f"{count} acknowledged")
    if not everything and ids is not None and count < len(set(ids)):
        err.print("some of these are none, or were acknowledged before")
        raise typer.Exit(PROBLEMS)


@journal.command(name="verify")
def verify_command(
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--earlier", help="What this command wrote before: the chains must still lead through it.", exists=True
        ),
    ] = None,
) -> None:
    """
    Follow the chains of hashes, and say what was changed, taken out or put in; exits 1 if anything was.

    Writes the heads of the chains as JSON: keep them elsewhere, and give them as --earlier the next time.

    [bold]Example:[/bold] cds journal verify > heads.json
    [bold]Example:[/bold] cds journal verify --earlier heads.json
    """
    from cds.journal.chain import ChainHead  # noqa: PLC0415
    from cds.journal.verify import verify_chains  # noqa: PLC0415

    try:
        before = msgspec.json.decode(earlier.read_bytes(), type=dict[str, ChainHead]) if earlier is not None else {}
    except msgspec.DecodeError:
        raise typer.BadParameter("it is not what cds journal verify wrote.", param_hint="--earlier") from None
    with store_in_force() as store:
        reports, older = verify_chains(store, before)
    if older:
        err.print(f"{older} receipts were written before there were chains")
    for chain, report in reports.items():
        name = chain.removesuffix(":")  # a site without tenants has one chain of receipts, of no tenant
        err.print(escape(f"{name}: entries {report.entries}, removed because of their age {report.removed}"))
        for problem in report.problems:
            err.print(escape(f"{name}: {problem}"))
    heads = {name: report.head for name, report in reports.items()}
    sys.stdout.write(msgspec.json.encode(heads).decode() + "\n")
    if any(report.problems for report in reports.values()):
        raise typer.Exit(PROBLEMS)


def first_day(since: str | None) -> datetime:
    """The moment an option names, 1970 for none; says what is wrong with it and exits 2."""
    try:
        return datetime.fromisoformat(since or "1970-01-01").astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(f"{since} is not a day; write it as 2026-06-01.", param_hint="--since") from None
