"""cds vocabulary: what of charts was not read, what it leaves open, and what it may mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring.vocabulary.proposals import MeaningFinder, MeaningProposal
from cds.authoring.vocabulary.skeleton import vocabulary_skeleton
from cds.authoring.vocabulary.unread import UnreadTerm, unread_terms
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, err, out
from cds.cli.files import rules_in
from cds.errors import RequestError
from cds.population.cohort import cohort_in
from cds.population.export import ExportError
from cds.rulebook.loader import read_rulebook

MOST_NAMED = 4


def vocabulary(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH…", help="Charts: Bundles, requests, NDJSON, or folders of them.", show_default=False
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Folder of rule files; the one of the settings.", show_default=False)
    ] = None,
    journal: Annotated[
        bool, typer.Option("--journal", help="The codes the journal counted in 30 days, instead of charts.")
    ] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="Entries to complete, for the site's vocabulary.yaml.")] = False,
    today: Today = None,
) -> None:
    """
    List what was not read, what matters most first, with what it leaves open and what it may mean.

    Texts are shown here only: they leave neither this machine nor enter the journal. Exits 1 where something was not
    read.

    [bold]Example:[/bold] cds vocabulary export/ --rules site
    [bold]Example:[/bold] cds vocabulary export/ --rules site --yaml > site/vocabulary.yaml
    [bold]Example:[/bold] cds vocabulary --journal
    """
    day = day_of(today)
    if journal:
        raise typer.Exit(PROBLEMS if _of_journal(day) else OK)
    if not paths:
        raise typer.BadParameter("name charts, or --journal.", param_hint="PATH…")
    folder = rules or settings_in_force().rules
    ready = rules_in(rules, day)
    try:
        terms, charts = unread_terms(ready, _bodies(paths), day, settings_in_force())
    except (RequestError, ValueError) as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None
    finally:
        ready.reasoner.close()
    finder = MeaningFinder(ready.program.codes, read_rulebook(folder))
    found = [(term, finder.find(term)) for term in terms]
    if yaml:
        sys.stdout.write(vocabulary_skeleton(found))
    else:
        for term, proposals in found:
            out.print(escape(_said(term, proposals)), soft_wrap=True)
        entries = sum(term.times for term in terms)
        out.print(f"{charts} charts: {entries} entries not read, {len(terms)} codes and texts")
    raise typer.Exit(PROBLEMS if terms else OK)


def _bodies(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        if not path.exists():
            raise typer.BadParameter(f"{path} does not exist.", param_hint="PATH…")
        try:
            with cohort_in(path) as cohort:
                if cohort.found.bad_lines:
                    raise ExportError("; ".join(cohort.found.faults[:MOST_NAMED]))
                for patient in cohort.patients():
                    yield patient.body
        except ExportError as wrong:
            err.print(escape(f"{wrong}."))
            raise typer.Exit(PROBLEMS) from None


def _said(term: UnreadTerm, proposals: list[MeaningProposal]) -> str:
    called = " ".join(part for part in (term.code, f"“{term.text}”" if term.text else "") if part)
    lines = [f"{term.times} × in {term.patients} chart(s), {term.kind.value}: {called}"]
    if term.leaves_open or term.cards:
        labels = [label for label, _ in term.leaves_open.most_common(MOST_NAMED)]
        more = f" and {len(term.leaves_open) - MOST_NAMED} more" if len(term.leaves_open) > MOST_NAMED else ""
        open_ = f"{', '.join(labels) or 'no conclusion'}{more}"
        lines.append(f"    leaves open: {open_}; other cards in {term.cards} chart(s)")
    else:
        lines.append("    changes no conclusion and no card of these charts")
    lines += [f"    perhaps {one.key}: {one.value} (like {one.like}, {one.score} %)" for one in proposals]
    return "\n".join(lines)


def _of_journal(today: date) -> bool:
    """Print the codes the journal counted; whether there are any."""
    from cds.cli.journal import store_in_force  # noqa: PLC0415 (not needed for charts)
    from cds.journal.unread import latest_unread  # noqa: PLC0415

    with store_in_force() as store:
        listed = latest_unread(store, today)
    for one in listed:
        code = f"{one.system}|{one.code}" if one.code else "in words only"
        out.print(escape(f"{one.decisions} decisions, {one.kind}: {code}, since {one.first}"), soft_wrap=True)
    out.print(f"{len(listed)} codes not read in 30 days")
    return bool(listed)
