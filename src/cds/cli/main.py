"""cds serve | evaluate | explain | check | test | diff | … | journal: one verb, one thing."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from cds.authoring.mutation.report import print_changes, progress_on
from cds.authoring.mutation.run import Wanted, try_changes
from cds.authoring.strict_fhir import strict_fhir as strict_fhir_problems
from cds.authoring.testing import cases
from cds.authoring.testing.check import check_folder
from cds.cards.card import Card
from cds.cli.attributes import attributes
from cds.cli.console import OK, PROBLEMS, RulesFolder, Today, day_of, err, out, print_problems
from cds.cli.diff import diff
from cds.cli.formats import FORMATS
from cds.cli.lock import lock
from cds.cli.make import docs, fmt, new
from cds.decide import Decision, Rules, decide
from cds.engine.explain import Why, deciding, explain, missing
from cds.errors import Refusal
from cds.facts.fact import Trial
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.rulebook.format import rule_file as rule_format
from cds.rulebook.format import site as site_format
from cds.rulebook.json_schema import schema_text
from cds.rulebook.loader import SITE, read_rulebook
from cds.rulebook.program import UnderDefinition
from cds.ruleset import load_rules, opinions_from
from cds.serialize import answer_of
from cds.settings import Settings
from cds.yaml_source.problem import RulesAreWrong

if TYPE_CHECKING:
    from cds.journal.store import Store

WORKER_SECONDS = 30  # without a sign of life from a worker; then another takes its place
SCHEMAS = rule_format.SCHEMAS | site_format.SCHEMAS | cases.SCHEMAS

app = typer.Typer(
    help="Decision support by rule files: FHIR in, checkable cards out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(lock)
app.command()(fmt)
app.command()(docs)
app.command()(attributes)
app.add_typer(new, name="new")
app.command()(diff)
ServiceId = Annotated[str | None, typer.Option("--service", help="Only the cards of this service.", show_default=False)]


def main() -> None:
    """Run the command line."""
    app()


def _rules(folder: Path | None, today: date) -> Rules:
    settings = Settings()
    try:
        return load_rules(folder or settings.rules, opinions_from(settings.engine), today)
    except RulesAreWrong as wrong:
        print_problems(wrong.problems)
        raise typer.Exit(PROBLEMS) from None


# ---------------------------------------------------------------- serve


@app.command()
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


# ---------------------------------------------------------------- evaluate, explain


def _decisions(
    files: list[Path], rules: Rules, today: date, service: str | None
) -> Iterator[tuple[str, Decision | Refusal]]:
    settings = Settings()
    if service is not None and service not in rules.program.services:
        known = ", ".join(rules.program.services)
        raise typer.BadParameter(f"there is no service {service}; there is {known}.", param_hint="--service")
    for name, body in _bodies(files):
        try:
            record, own = read_record(body, rules, settings)
            yield name, decide(rules, record, today, service or own)
        except Refusal as refusal:
            yield name, refusal


def _bodies(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        if str(path) == "-":
            yield "-", sys.stdin.buffer.read()
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*.json") if p.name != "cards.json")
            if not inside:
                raise typer.BadParameter(f"{path} holds no .json file.", param_hint="FILE")
            for file in inside:
                yield str(file), file.read_bytes()
        elif path.is_file():
            yield str(path), path.read_bytes()
        else:
            raise typer.BadParameter(f"{path} does not exist.", param_hint="FILE")


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="FHIR R4 Bundles, CDS Hooks requests, or folders of them; - for standard input."
    ),
]


@app.command()
def evaluate(
    files: Files,
    today: Today = None,
    rules: RulesFolder = None,
    service: ServiceId = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file (a list for several).")] = False,
) -> None:
    """
    Decide for patients in files, and print the cards.

    [bold]Example:[/bold] cds evaluate fhir_examples/01-two-failed-trials/request.json --today 2026-06-01
    """
    day = day_of(today)
    loaded = _rules(rules, day)
    answers: list[dict[str, Any]] = []
    failed = False
    for name, result in _decisions(files, loaded, day, service):
        if isinstance(result, Refusal):
            failed = True
            answers.append({"file": name, "error": result.what, "where": result.where, "fix": result.fix})
            if not json:
                _print_refusal(name, result)
        elif json:
            answers.append({"file": name, **answer_of(loaded, result)})
        else:
            _print_decision(name, loaded, result)
    if json:
        several = len(answers) != 1 or any(path.is_dir() for path in files)
        text = msgspec.json.format(msgspec.json.encode(answers if several else answers[0]), indent=2)
        sys.stdout.write(text.decode() + "\n")
    raise typer.Exit(PROBLEMS if failed else OK)


@app.command(name="explain")
def explain_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Bundle or CDS Hooks request; - for standard input.")],
    conclusion: Annotated[
        str | None, typer.Option("--conclusion", help="Only this conclusion.", show_default=False)
    ] = None,
    today: Today = None,
    rules: RulesFolder = None,
) -> None:
    """
    Show why, or why not, down to FHIR references, and what would settle what is unknown.

    [bold]Example:[/bold] cds explain fhir_examples/01-two-failed-trials/request.json --today 2026-06-01
    """
    day = day_of(today)
    loaded = _rules(rules, day)
    conclusions = [name for name in loaded.program.heads if ":" not in name and name not in loaded.program.copies]
    if conclusion is not None and conclusion not in conclusions:
        raise typer.BadParameter(
            f"there is no conclusion {conclusion}; there is {', '.join(conclusions)}.", param_hint="--conclusion"
        )
    for name, result in _decisions([file], loaded, day, None):
        if isinstance(result, Refusal):
            _print_refusal(name, result)
            raise typer.Exit(PROBLEMS)
        for head in [conclusion] if conclusion else conclusions:
            _print_why(head, loaded, result)
        for of, definitions in loaded.program.definitions.items():
            if conclusion in (None, of):
                _print_definitions(of, definitions, loaded, result)
        for fact in result.facts.by_name.values():
            if fact.trials and fact.name not in loaded.program.copies:
                out.print(f"\n[bold]{escape(fact.label)}[/bold] ({escape(fact.because)})")
                out.print(_trials(fact.trials))
        _print_overrides(loaded)
        _print_data_quality(result)


# ---------------------------------------------------------------- check, test, schema


@app.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of rule files; the shipped ones by default.", show_default=False)
    ] = None,
    today: Today = None,
    format: Annotated[  # noqa: A002 (the word an author types)
        str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")
    ] = "text",
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes.")] = False,
    strict_fhir: Annotated[
        Path | None,
        typer.Option("--strict-fhir", help="Check a file of FHIR data against R4B instead.", show_default=False),
    ] = None,
) -> None:
    """
    Find every mistake in every rule file and test file at once; or lint somebody's FHIR data.

    [bold]Example:[/bold] cds check rules
    [bold]Example:[/bold] cds check rules --watch
    [bold]Example:[/bold] cds check rules --format sarif > check.sarif
    [bold]Example:[/bold] cds check --strict-fhir fhir_examples/bundle.json
    """
    if strict_fhir is not None:
        _lint(strict_fhir)
    folder = path or Settings().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="PATH")
    if format not in FORMATS:
        raise typer.BadParameter(f"there is {', '.join(FORMATS)}.", param_hint="--format")
    errors = _check(folder, day_of(today), format)
    if watch:
        from watchfiles import watch as changes_in  # noqa: PLC0415 (not needed by the other commands)

        watched: tuple[Path, ...] = ()
        while (folders := read_rulebook(folder).folders) != watched:  # a site may name other rules
            watched = folders
            err.print(f"watching {' and '.join(map(str, watched))}; stop with Ctrl+C")
            for _ in changes_in(*watched, raise_interrupt=False):
                errors = _check(folder, day_of(today), format)
                if read_rulebook(folder).folders != watched:
                    break
    raise typer.Exit(PROBLEMS if errors else OK)


def _check(folder: Path, today: date, format_: str) -> int:
    """Check a folder, print what is wrong, and say how many errors there are."""
    problems = check_folder(folder, today)
    errors = sum(not problem.warning for problem in problems)
    if format_ == "text":
        err.print(escape(FORMATS[format_](problems)), end="")
        out.print(f"{folder}: {errors} error(s), {len(problems) - errors} warning(s)")
    else:
        sys.stdout.write(FORMATS[format_](problems))
    return errors


def _lint(file: Path) -> NoReturn:
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder; name a file.", param_hint="--strict-fhir")
    ((name, body),) = _bodies([file])
    try:
        found = strict_fhir_problems(body)
    except Refusal as refusal:
        _print_refusal(name, refusal)
        raise typer.Exit(PROBLEMS) from None
    for line in found:
        err.print(escape(line))
    out.print(f"{name}: {len(found)} departure(s) from FHIR R4B")
    raise typer.Exit(PROBLEMS if found else OK)


@app.command()
def test(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of rule files with their *.test.yaml; the shipped ones by default.", show_default=False
        ),
    ] = None,
    only: Annotated[str, typer.Option("-k", help="Only cases whose sentence holds these words.")] = "",
    changes: Annotated[
        bool, typer.Option("--changes", help="Try small changes to every rule, and list those no case notices.")
    ] = False,
    changes_of: Annotated[
        list[str] | None,
        typer.Option("--changes-of", help="Only changes of this file, fact, conclusion, card, parameter or value set."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Only about so many changes, spread evenly.", show_default=False),
    ] = None,
    every_code: Annotated[
        bool, typer.Option("--every-code", help="Take away any code of a value set, not one of each list.")
    ] = False,
    most_survivors: Annotated[
        float, typer.Option("--most-survivors", help="Percent of changes that may pass unnoticed.")
    ] = 5.0,
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
    [bold]Example:[/bold] cds test rules --coverage --html coverage.html
    [bold]Example:[/bold] cds test rules --changes
    [bold]Example:[/bold] cds test rules --changes-of contraindications
    """
    from cds.authoring.testing.coverage_html import coverage_page  # noqa: PLC0415 (not needed by the other commands)
    from cds.authoring.testing.coverage_text import print_coverage  # noqa: PLC0415
    from cds.authoring.testing.junit import junit as junit_text  # noqa: PLC0415
    from cds.authoring.testing.report import run_folder  # noqa: PLC0415

    folder = path or Settings().rules
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint="PATH")
    if changes or changes_of or sample:
        wanted = Wanted(tuple(changes_of or ()), sample, every_code)
        raise typer.Exit(OK if _try_changes(folder, wanted, jobs, most_survivors) else PROBLEMS)
    try:
        report = run_folder(folder, only=only, clauses=coverage or html is not None, jobs=jobs)
    except RulesAreWrong as wrong:
        print_problems(wrong.problems)
        raise typer.Exit(PROBLEMS) from None
    if not report.verdicts:
        raise typer.BadParameter(f"no case in {folder} matches; nothing was run.", param_hint="-k" if only else "PATH")
    for verdict in report.failed:
        out.print(f"[red]✗[/red] {escape(verdict.name)}")
        out.print(escape(verdict.text))
    if coverage:
        print_coverage(report.coverage, out)
    else:
        for line in report.never_shown:
            out.print(f"[yellow]not shown:[/yellow] {escape(line)}")
    if html is not None:
        _write(html, coverage_page(report.coverage, folder, report.passed, len(report.failed)), "--html")
    if junit is not None:
        _write(junit, junit_text(report.verdicts), "--junit")
    out.print(f"{report.passed} passed, {len(report.failed)} failed")
    raise typer.Exit(PROBLEMS if report.failed else OK)


def _write(file: Path, text: str, option: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {file}: {error.strerror}.", param_hint=option) from None


def _try_changes(folder: Path, wanted: Wanted, jobs: int | None, most_survivors: float) -> bool:
    with progress_on(err) as bar:
        task = bar.add_task("changes", total=None)
        try:
            changes = try_changes(
                folder, wanted, jobs, lambda done, of: bar.update(task, completed=done, total=of, refresh=True)
            )
        except RulesAreWrong as wrong:
            print_problems(wrong.problems)
            raise typer.Exit(PROBLEMS) from None
        except LookupError as nothing:
            what = f"nothing that can be changed is called {nothing.args[0]}."
            raise typer.BadParameter(what, param_hint="--changes-of") from None
    return print_changes(changes, out, most_survivors)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMAS)}.")] = "rules.schema.json",
) -> None:
    """
    Print the JSON Schema of the rule-file format, for editors.

    [bold]Example:[/bold] cds schema rules.schema.json
    """
    if name not in SCHEMAS:
        raise typer.BadParameter(f"there is {', '.join(SCHEMAS)}.", param_hint="NAME")
    sys.stdout.write(schema_text(name, SCHEMAS[name]))


# ---------------------------------------------------------------- journal

journal = typer.Typer(help="Receipts of decisions, and what clinicians did with the cards.", no_args_is_help=True)
app.add_typer(journal, name="journal")


@contextmanager
def _store() -> Iterator[Store]:
    """The journal the settings name; says what is wrong with it and exits 1, or 2 when none is kept."""
    from cds.journal.journal import store_from  # noqa: PLC0415 (not needed by the other commands)
    from cds.journal.store import StoreDown  # noqa: PLC0415

    try:
        store = store_from(Settings())
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}.", param_hint="CDS_JOURNAL") from None
    if store is None:
        raise typer.BadParameter("it is set to none: no journal is kept.", param_hint="CDS_JOURNAL")
    try:
        yield store
    except StoreDown as down:
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
    with _store() as store:
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

    with _store() as store:
        removed = prune(store, keep_from(Settings()), datetime.now(UTC), dry_run=dry_run)
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
    from cds.journal.period import Period  # noqa: PLC0415
    from cds.journal.stats import stats  # noqa: PLC0415

    with _store() as store:
        found = stats(store, Period(_first_day(since)))
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
    from cds.journal.export import feedback_sheet  # noqa: PLC0415
    from cds.journal.period import Period  # noqa: PLC0415

    with _store() as store:
        sys.stdout.write(feedback_sheet(store, Period(_first_day(since))))


def _first_day(since: str | None) -> datetime:
    try:
        return datetime.fromisoformat(since or "1970-01-01").astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(f"{since} is not a day; write it as 2026-06-01.", param_hint="--since") from None


# ---------------------------------------------------------------- printing

SIGNS = {
    Truth.TRUE: "[green]yes[/green]",
    Truth.FALSE: "[red]no[/red]",
    Truth.UNKNOWN: "[yellow]cannot tell[/yellow]",
}
INDICATORS = {"info": "blue", "warning": "yellow", "critical": "red"}


def _print_refusal(name: str, refusal: Refusal) -> None:
    where = f" at {refusal.where}" if refusal.where else ""
    err.print(escape(f"{name}: {refusal.what}{where}.\n  {refusal.fix}."))


def _print_decision(name: str, rules: Rules, decision: Decision) -> None:
    out.rule(escape(f"{name}, as of {decision.today}"))
    for card in decision.cards:
        _print_card(card)
    if not decision.cards:
        out.print("No card: these rules have nothing to say.")
    out.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    for head in rules.program.heads.values():
        if ":" not in head.name and head.name not in rules.program.copies:
            table.add_row(SIGNS[decision.truths[head.name]], escape(head.label), f"[dim]{head.name}[/dim]")
    out.print(table)
    _print_data_quality(decision)


def _print_card(card: Card) -> None:
    colour = INDICATORS[card.indicator]
    out.print(f"[bold {colour}]{card.indicator.upper()}[/bold {colour}] [bold]{escape(card.summary)}[/bold]")
    out.print(Markdown(card.detail))
    for suggestion in card.suggestions:
        out.print(f"[dim]▸ {escape(suggestion.label)}[/dim]")
    out.print()


def _print_overrides(rules: Rules) -> None:
    if rules.program.overrides:
        out.print("\n[bold]Different at this site[/bold]")
    for one in rules.program.overrides:
        who = f", because {one.because} ({one.by}, review {one.review})" if one.because else ""
        out.print(escape(f"  {one.what}: {one.says}{who}"))


def _print_data_quality(decision: Decision) -> None:
    if decision.record.issues:
        out.print("\n[bold]Data[/bold]")
        for issue in decision.record.issues:
            out.print(escape(f"  {issue.kind.value}: {issue.what} ({issue.where})"))


def _print_why(head: str, rules: Rules, decision: Decision) -> None:
    why = explain(head, rules.program.heads, decision.facts, decision.truths)
    tree = Tree(_why_line(why))
    _grow(tree, why)
    out.print(tree)
    if decision.truths[head] is Truth.UNKNOWN:
        for item in missing(head, rules.program.heads, decision.facts, decision.truths):
            out.print(escape(f"  would settle it: {item.what} ({item.could_become})"))


def _print_definitions(of: str, definitions: tuple[UnderDefinition, ...], rules: Rules, decision: Decision) -> None:
    out.print(f"\n[bold]{escape(rules.program.labels[of])}[/bold], by definition")
    table = Table("definition", "met", "what decides", "where it differs")
    for definition in definitions:
        why = explain(definition.head, rules.program.heads, decision.facts, decision.truths)
        against = deciding(why) if why.truth is not Truth.TRUE else ()
        table.add_row(
            escape(f"{definition.id}{' (in use)' if definition.in_use else ''}"),
            SIGNS[why.truth],
            escape("; ".join(against)),
            escape(", ".join(f"{name} {value}" for name, value in definition.with_.items())),
        )
    out.print(table)


def _grow(tree: Tree, why: Why) -> None:
    for child in why.children:
        _grow(tree.add(_why_line(child)), child)


def _why_line(why: Why) -> str:
    because = f" [dim]({escape(why.because)})[/dim]" if why.because else ""
    sources = f" [dim]{escape(', '.join(why.sources))}[/dim]" if why.sources else ""
    return f"{SIGNS[why.truth]} {escape(why.words or why.label)}{because}{sources}"


def _trials(trials: tuple[Trial, ...]) -> Table:
    table = Table("drug", "from", "to", "days at dose", "adequate", "no response", "why", "sources")
    for trial in trials:
        sure, possible = trial.days_at_dose
        table.add_row(
            escape(trial.name),
            trial.start.text if trial.start else "",
            "ongoing" if trial.ongoing else trial.end.text if trial.end else "",
            str(sure) if sure == possible else f"{sure} to {possible}",
            SIGNS[trial.adequate],
            SIGNS[trial.no_response],
            escape("; ".join((trial.outcome, *trial.notes))),
            escape(", ".join(trial.sources)),
        )
    return table
