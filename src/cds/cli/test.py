"""cds test: the cases beside the rules, and mutants of the rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring.mutation.report import print_mutants, progress_on
from cds.authoring.mutation.run import MutantSelection, run_mutants
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, err, out, print_problems
from cds.cli.diff import rule_sets
from cds.cli.files import folder_to_write
from cds.yaml_source.problem import RulesError


def test(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of rule files with their *.test.yaml; the shipped ones by default.", show_default=False
        ),
    ] = None,
    only: Annotated[str, typer.Option("-k", help="Only cases whose sentence holds these words.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only the cases that failed last time.")] = False,
    first: Annotated[bool, typer.Option("--first", help="Print only the first failing case, in full.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every failing case, in full.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write the cards of every case into cards.snapshot, to be read as a diff.")
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="Try small changes to every rule, and list those no case notices.")
    ] = False,
    changes_of: Annotated[
        list[str] | None,
        typer.Option("--changes-of", help="Only changes of this file, fact, conclusion, card, parameter or value set."),
    ] = None,
    changes_since: Annotated[
        str | None,
        typer.Option(
            "--changes-since",
            metavar="REV",
            help="Whom the changes since a git revision (or another folder) touch, and only changes of what changed.",
            show_default=False,
        ),
    ] = None,
    today: Today = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Only about so many changes, spread evenly.", show_default=False),
    ] = None,
    every_code: Annotated[
        bool, typer.Option("--every-code", help="Take away any code of a value set, not one of each list.")
    ] = False,
    max_survivors: Annotated[
        float, typer.Option("--max-survivors", help="Percent of changes that may pass unnoticed.")
    ] = 5.0,
    most_survivors: Annotated[float | None, typer.Option("--most-survivors", hidden=True)] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Print what the cases show of every conclusion, clause, limit and card.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write the coverage into this file, line by line.", show_default=False),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the results into this file, as JUnit XML.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes; as many as processors.", show_default=False)
    ] = None,
) -> None:
    """
    Run the test files beside the rules; or try changes to the rules, to see whether the tests would notice.

    [bold]Example:[/bold] cds test rules -k "one day short"
    [bold]Example:[/bold] cds test rules --failed --first
    [bold]Example:[/bold] cds test rules --update
    [bold]Example:[/bold] cds test rules --coverage --html coverage.html
    [bold]Example:[/bold] cds test rules --changes
    [bold]Example:[/bold] cds test rules --changes-of contraindications
    [bold]Example:[/bold] cds test rules --changes-since main
    """
    from cds.authoring.testing.coverage_html import coverage_page  # noqa: PLC0415 (not needed by the other commands)
    from cds.authoring.testing.coverage_text import print_coverage  # noqa: PLC0415
    from cds.authoring.testing.failures import (  # noqa: PLC0415
        failed_last_time,
        print_failures,
        remember_failed,
    )
    from cds.authoring.testing.junit import junit as junit_text  # noqa: PLC0415
    from cds.authoring.testing.report import run_folder  # noqa: PLC0415
    from cds.authoring.testing.snapshot import SNAPSHOT, snapshot_text  # noqa: PLC0415

    folder = folder_to_write(path, "PATH") if update else path or settings_in_force().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="PATH")
    if changes or changes_of or sample or changes_since:
        since = None if changes_since is None else _changed_since(changes_since, folder, day_of(today))
        if since is not None and not since:
            raise typer.Exit(OK)
        if most_survivors is not None:
            err.print("--most-survivors is now called --max-survivors; the old name goes in version 0.4.")
            max_survivors = most_survivors
        wanted = MutantSelection(tuple(changes_of or ()), sample, every_code, since)
        raise typer.Exit(OK if _try_changes(folder, wanted, jobs, max_survivors) else PROBLEMS)
    try:
        among = failed_last_time(folder) if failed else None
        report = run_folder(folder, only=only, among=among, clauses=coverage or html is not None, jobs=jobs)
    except RulesError as wrong:
        print_problems(wrong.problems)
        raise typer.Exit(PROBLEMS) from None
    if not report.verdicts and failed:
        out.print("no case failed last time")
        raise typer.Exit(OK)
    if not report.verdicts:
        raise typer.BadParameter(f"no case in {folder} matches; nothing was run.", param_hint="-k" if only else "PATH")
    remember_failed(folder, [(v.case.file.relative_to(folder).as_posix(), v.name) for v in report.failed])
    print_failures(report.failed[:1] if first else report.failed, out, full=full)
    if coverage:
        print_coverage(report.coverage, out)
    else:
        for line in report.never_shown:
            out.print(f"[yellow]not shown:[/yellow] {escape(line)}")
    if html is not None:
        _write(html, coverage_page(report.coverage, folder, report.passed, len(report.failed)), "--html")
    if junit is not None:
        _write(junit, junit_text(report.verdicts), "--junit")
    if update:
        (folder / SNAPSHOT).write_text(snapshot_text(report.cards), encoding="utf-8")
        out.print(escape(f"{folder / SNAPSHOT}: the cards of {len(report.cards)} cases"))
    elif report.snapshot:
        out.print(f"[yellow]The cases and their cards are not those of {SNAPSHOT}:[/yellow]")
        for line in report.snapshot.lines:
            out.print(escape(f"  {line}"))
        out.print("  If that is meant: `cds test --update`, and have the diff of the file reviewed.")
    out.print(f"{report.passed} passed, {len(report.failed)} failed")
    other_cards = report.snapshot is not None and report.snapshot.changed and not update
    raise typer.Exit(PROBLEMS if report.failed or other_cards else OK)


def _write(file: Path, text: str, option: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {file}: {error.strerror}.", param_hint=option) from None


def _changed_since(revision: str, folder: Path, today: date) -> frozenset[str]:
    """Names of what changed since a revision; prints whom that touches, of all patients of the cases."""
    from cds.authoring.impact.markdown import counts_by_card, counts_by_cause  # noqa: PLC0415
    from cds.authoring.impact.replay import ComparedRules, cases_of, impact_on_cases  # noqa: PLC0415
    from cds.rulebook.diff import changes_between  # noqa: PLC0415

    with rule_sets((revision, None), folder, today) as (old, new):
        rules = ComparedRules(old, new, tuple(changes_between(old.book, new.book)))
        impact = impact_on_cases(rules, cases_of(rules), today, settings_in_force())
        affected = [one for one in impact.affected if one.turns]
        out.print(
            f"{len(rules.changes)} change(s) since {revision}: {len(affected)} of {impact.decided} patients of the "
            "cases with another card or conclusion"
        )
        for line in (*counts_by_card(affected), *counts_by_cause(affected)):
            out.print(escape(line))
    return frozenset(name for change in rules.changes for name in change.names)


def _try_changes(folder: Path, wanted: MutantSelection, jobs: int | None, max_survivors: float) -> bool:
    with progress_on(err) as bar:
        task = bar.add_task("changes", total=None)
        try:
            changes = run_mutants(
                folder, wanted, jobs, lambda done, of: bar.update(task, completed=done, total=of, refresh=True)
            )
        except RulesError as wrong:
            print_problems(wrong.problems)
            raise typer.Exit(PROBLEMS) from None
        except LookupError as nothing:
            what = f"nothing that can be changed is called {nothing.args[0]}."
            raise typer.BadParameter(what, param_hint="--changes-of") from None
    return print_mutants(changes, out, max_survivors)
