"""cds evaluate and cds explain: decide for patients in files, and show why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from cds.cli.console import OK, PROBLEMS, Definitions, RulesFolder, Today, day_of, out
from cds.cli.files import decisions_of, listed_ids, rules_in
from cds.cli.printing import (
    print_data_quality,
    print_decision,
    print_definitions,
    print_overrides,
    print_refusal,
    print_summary,
    print_why,
    trials_table,
)
from cds.errors import RequestError
from cds.serialize import answer_of

ServiceId = Annotated[str | None, typer.Option("--service", help="Only the cards of this service.", show_default=False)]

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="FHIR R4 Bundles, CDS Hooks requests, or folders of them; - for standard input."
    ),
]


def evaluate(
    files: Files,
    today: Today = None,
    rules: RulesFolder = None,
    service: ServiceId = None,
    definitions: Definitions = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file (a list for several).")] = False,
) -> None:
    """
    Decide for patients in files, and print the cards.

    [bold]Example:[/bold] cds evaluate fhir_examples/01-two-failed-trials/request.json --today 2026-06-01
    """
    day = day_of(today)
    loaded = rules_in(rules, day, None if definitions is None else listed_ids(definitions))
    answers: list[dict[str, Any]] = []
    failed = False
    for name, result in decisions_of(files, loaded, day, service):
        if isinstance(result, RequestError):
            failed = True
            answers.append({"file": name, "error": result.what, "where": result.where, "fix": result.fix})
            if not json:
                print_refusal(name, result)
        elif json:
            answers.append({"file": name, **answer_of(loaded, result)})
        else:
            print_decision(name, loaded, result)
    if json:
        several = len(answers) != 1 or any(path.is_dir() for path in files)
        text = msgspec.json.format(msgspec.json.encode(answers if several else answers[0]), indent=2)
        sys.stdout.write(text.decode() + "\n")
    raise typer.Exit(PROBLEMS if failed else OK)


def explain_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Bundle or CDS Hooks request; - for standard input.")],
    conclusion: Annotated[
        str | None, typer.Option("--conclusion", help="Only this conclusion.", show_default=False)
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="Every conclusion, down to FHIR references, and the medication trials.")
    ] = False,
    today: Today = None,
    rules: RulesFolder = None,
) -> None:
    """
    Show why, or why not, on a screen: cards, what holds, and what would settle what is unknown.

    [bold]Example:[/bold] cds explain fhir_examples/01-two-failed-trials/request.json --today 2026-06-01
    [bold]Example:[/bold] cds explain fhir_examples/bundle.json --conclusion NAME
    [bold]Example:[/bold] cds explain fhir_examples/bundle.json --tree
    """
    day = day_of(today)
    loaded = rules_in(rules, day)
    conclusions = [name for name, head in loaded.program.heads.items() if head.is_an_authors]
    if conclusion is not None and conclusion not in conclusions:
        raise typer.BadParameter(
            f"there is no conclusion {conclusion}; there is {', '.join(conclusions)}.", param_hint="--conclusion"
        )
    for name, result in decisions_of([file], loaded, day, None):
        if isinstance(result, RequestError):
            print_refusal(name, result)
            raise typer.Exit(PROBLEMS)
        if not tree and conclusion is None:
            print_summary(loaded, result, conclusions)
            continue
        for head in [conclusion] if conclusion else conclusions:
            print_why(head, loaded, result)
        for of, definitions in loaded.program.definitions.items():
            if conclusion in (None, of):
                print_definitions(of, definitions, loaded, result)
        for fact in result.facts.by_name.values():
            if fact.trials and fact.name not in loaded.program.copies:
                out.print(f"\n[bold]{escape(fact.label)}[/bold] ({escape(fact.because)})")
                out.print(trials_table(fact.trials))
        print_overrides(loaded)
        print_data_quality(result)
