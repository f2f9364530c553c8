"""cds terminology: compare lists of codes and drugs with a release, and write what was reviewed."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring.terminology.expansion import ExpansionSource, compare_published
from cds.authoring.terminology.icd10cm import PackagedIcdRelease, compare_icd
from cds.authoring.terminology.products import compare_table
from cds.authoring.terminology.proposal import Proposal
from cds.authoring.terminology.rxnorm_release import read_release
from cds.authoring.terminology.source import TerminologySourceError
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, err, out
from cds.rulebook.list_ages import value_set_files
from cds.rulebook.loader import Rulebook, read_rulebook

RXNORM, ICD, VALUE_SET = "rxnorm", "icd-10-cm", "valueset"

terminology = typer.Typer(
    help="Compare lists of codes and drugs with a release, and write what was reviewed.", no_args_is_help=True
)

Kind = Annotated[str, typer.Argument(metavar="KIND", help=f"{RXNORM}, {ICD} or {VALUE_SET}.")]
Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[SOURCE]",
        help="Release of RxNorm (zip or folder); ValueSets (file, folder, or address of a FHIR server).",
        show_default=False,
    ),
]
RulesFolder = Annotated[
    Path | None, typer.Option("--rules", help="Folder of rule files; the one of the settings.", show_default=False)
]
Release = Annotated[str | None, typer.Option("--release", help="What to call the release.", show_default=False)]
Siblings = Annotated[bool, typer.Option("--siblings", help="icd-10-cm: report codes next to those of a list, too.")]
SameVersion = Annotated[
    bool, typer.Option("--same-version", help="valueset: ask a server for the version the list names.")
]


@terminology.command(name="diff")
def diff_command(
    kind: Kind,
    source: Source = None,
    rules: RulesFolder = None,
    release: Release = None,
    siblings: Siblings = False,
    same_version: SameVersion = False,
) -> None:
    """
    Say in what lists and a release differ, then the edits proposed for the files, as a diff; nothing is written.

    Exits 1 where they differ, so that a job that runs each month can tell somebody.

    [bold]Example:[/bold] cds terminology diff rxnorm RxNorm_full_prescribe_11022026.zip
    [bold]Example:[/bold] cds terminology diff icd-10-cm --siblings
    [bold]Example:[/bold] cds terminology diff valueset https://tx.example.org/fhir
    """
    proposal = _proposal(kind, source, _folder(rules), release, None, siblings=siblings, same_version=same_version)
    _print(proposal)
    sys.stdout.write(proposal.diff)
    raise typer.Exit(PROBLEMS if proposal.findings else OK)


@terminology.command()
def update(
    kind: Kind,
    source: Source = None,
    rules: RulesFolder = None,
    release: Release = None,
    same_version: SameVersion = False,
    today: Today = None,
) -> None:
    """
    Write the edits that `cds terminology diff` proposes, and when the lists were compared; comments and layout stay.

    [bold]Example:[/bold] cds terminology update icd-10-cm
    """
    folder = _folder(rules)
    proposal = _proposal(kind, source, folder, release, day_of(today), siblings=False, same_version=same_version)
    _print(proposal)
    others = sorted({edit.path.parent for edit in proposal.edits if not _is_in(edit.path, folder)})
    if others:
        what = f"The lists are in {', '.join(map(str, others))}, which {folder} is an overlay of: nothing was written."
        err.print(escape(f"{what} Update a copy of those rules (--rules), and name its files in the overlay."))
        raise typer.Exit(PROBLEMS)
    for path in proposal.write():
        out.print(escape(f"wrote {path}"))
    raise typer.Exit(OK)


def _folder(rules: Path | None) -> Path:
    folder = rules or settings_in_force().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="--rules")
    return folder


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _proposal(
    kind: str,
    source: str | None,
    folder: Path,
    release: str | None,
    today: date | None,
    *,
    siblings: bool,
    same_version: bool,
) -> Proposal:
    if kind not in {RXNORM, ICD, VALUE_SET}:
        raise typer.BadParameter(f"there is {RXNORM}, {ICD}, {VALUE_SET}.", param_hint="KIND")
    if source is None and kind != ICD:
        raise typer.BadParameter(f"name what to compare with: {kind} needs it.", param_hint="SOURCE")
    book = read_rulebook(folder)
    try:
        if kind == ICD:
            sets = [loaded for loaded, _ in value_set_files(book)]
            return compare_icd(sets, PackagedIcdRelease(release), today, siblings=siblings)
        if kind == VALUE_SET:
            sets = [loaded for loaded, _ in value_set_files(book)]
            return compare_published(sets, ExpansionSource(source or "", newest=not same_version), today)
        return _tables(book, Path(source or ""), release, today)
    except TerminologySourceError as wrong:
        err.print(escape(str(wrong)))
        raise typer.Exit(PROBLEMS) from None


def _tables(book: Rulebook, source: Path, release: str | None, today: date | None) -> Proposal:
    read = read_release(source, release)
    found = [
        compare_table(table, Path(table.file).parent, read, today)
        for table in book.tables.values()
        if table.model.table.products is not None  # without it there is nothing of a release to compare
    ]
    return Proposal(
        read.name,
        "; ".join(one.compared for one in found) or "no drug table",
        tuple(finding for one in found for finding in one.findings),
        tuple(edit for one in found for edit in one.edits),
    )


def _print(proposal: Proposal) -> None:
    """The findings, a line for each, and how many there are of each kind."""
    for one in proposal.findings:
        out.print(escape(f"{one.kind}: {one.place} {one.code}".rstrip() + f": {one.says}"), soft_wrap=True)
    kinds = Counter(one.kind for one in proposal.findings)
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no difference"
    out.print(escape(f"{proposal.compared} compared with {proposal.release}: {counted}"), soft_wrap=True)
