"""cds diff: what changed in the rules, and for whom."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring.impact.compare import RulesetVersion, impact_of
from cds.authoring.impact.markdown import report
from cds.authoring.impact.replay import ComparedRules, cases_of, impact_on_cases
from cds.authoring.impact.revisions import RevisionNotFoundError, folder_of
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, Today, day_of, err, print_problems
from cds.engine.evaluator import EvaluatorMode
from cds.population.cohort import Cohort, cohort_in
from cds.population.export import ExportError
from cds.population.patient import CohortPatient
from cds.rulebook.diff import changes_between
from cds.rulebook.loader import read_rulebook
from cds.ruleset import checked_rules
from cds.yaml_source.problem import RulesError

EXAMPLES = "fhir_examples"


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A git revision, or a folder of rule files.")],
    new: Annotated[
        str | None,
        typer.Argument(metavar="[NEW]", help="The same; by default the rule files as they are.", show_default=False),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(
            "--cohort", help="More patients: Bundles, or a bulk export (NDJSON, also .gz).", show_default=False
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Folder of rule files in the repository.", show_default=False)
    ] = None,
    examples: Annotated[
        Path | None, typer.Option("--examples", help="Folder of examples; fhir_examples.", show_default=False)
    ] = None,
    cases: Annotated[
        bool, typer.Option("--cases/--no-cases", help="Also the patients of the test cases, each as of its own day.")
    ] = True,
    today: Today = None,
    most: Annotated[int, typer.Option("--most", min=0, help="Patients shown in full.")] = 20,
) -> None:
    """
    Say what changed in the meaning of the rules, and which patients get another card or conclusion; as Markdown.

    [bold]Example:[/bold] cds diff main
    [bold]Example:[/bold] cds diff v1.0 v1.1 --cohort export/
    """
    settings = settings_in_force()
    folder = rules or settings.rules
    if examples is None:
        examples = next((p for p in (Path(EXAMPLES), folder.parent / EXAMPLES) if p.is_dir()), None)
    pinned = examples / "today.txt" if examples else None
    day = (
        date.fromisoformat(pinned.read_text().strip())
        if today is None and pinned and pinned.is_file()
        else day_of(today)
    )
    with ExitStack() as stack:
        sides = stack.enter_context(rule_sets((old, new), folder, day))
        changes = changes_between(sides[0].book, sides[1].book)
        has_examples = examples is not None and any(examples.rglob("*.json"))
        places = [place for place in (examples if has_examples else None, cohort) if place is not None]
        cohorts = [stack.enter_context(_cohort(place)) for place in places]
        if cohort is not None:
            _say_what_was_not_read(cohorts[-1])
        impact = impact_of(*sides, changes, _patients(cohorts), day, settings)
        replayed = f"{impact.decided} of examples and cohorts"
        if cases:
            rules_of_both = ComparedRules(*sides, tuple(changes))
            of_cases = impact_on_cases(rules_of_both, cases_of(rules_of_both), day, settings)
            impact.add(of_cases)
            replayed += f", {of_cases.decided} of test cases, each as of its own day"
    sys.stdout.write(report(old, new or str(folder), day, changes, impact, most, replayed))
    raise typer.Exit(OK)


@contextmanager
def rule_sets(
    named: tuple[str, str | None], folder: Path, today: date, cohorts: bool = False
) -> Iterator[tuple[RulesetVersion, RulesetVersion]]:
    """
    The two rule sets that a command names by revision or folder, the second None for the folder; wrong ones end it.

    `cohorts`: with the questions to a population.
    """
    with ExitStack() as stack:
        try:
            unpacked = [Path(stack.enter_context(TemporaryDirectory())) for _ in named]
            folders = [
                folder_of(one, folder, into) if one else folder for one, into in zip(named, unpacked, strict=True)
            ]
            books = [read_rulebook(one) for one in folders]
            old, new = (
                RulesetVersion(book, checked_rules(book, EvaluatorMode.DIRECT, today, cohorts=cohorts))
                for book in books
            )
        except RevisionNotFoundError as unknown:
            raise typer.BadParameter(f"{unknown}.", param_hint="OLD or NEW") from None
        except RulesError as wrong:
            print_problems(wrong.problems)
            raise typer.Exit(PROBLEMS) from None
        for side in (old, new):
            stack.callback(side.rules.reasoner.close)
        yield old, new


@contextmanager
def _cohort(place: Path) -> Iterator[Cohort]:
    if not place.exists():
        raise typer.BadParameter(f"{place} does not exist.", param_hint="--cohort")
    try:
        with cohort_in(place) as found:
            yield found
    except ExportError as wrong:
        err.print(escape(f"{wrong}."))
        raise typer.Exit(PROBLEMS) from None


def _say_what_was_not_read(cohort: Cohort) -> None:
    """Lines that cannot be read end the command: without them, somebody's impact would look smaller than it is."""
    for what in cohort.export.passed_over:
        err.print(escape(f"passed over {what}"))
    for kind, lines in sorted(cohort.found.no_patient.items()):
        err.print(f"passed over {lines} line(s) of {kind}: of no patient, or no rule reads them")
    if cohort.found.bad_lines:
        for fault in cohort.found.faults[:20]:
            err.print(escape(f"{fault}."))
        err.print(f"{cohort.found.bad_lines} line(s) cannot be read: mend or remove them, and run this again.")
        raise typer.Exit(PROBLEMS)


def _patients(cohorts: list[Cohort]) -> Iterator[CohortPatient]:
    for cohort in cohorts:
        yield from cohort.patients()
