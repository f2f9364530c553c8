"""Files named on the command line, and the rules they are decided by."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import typer
from rich.markup import escape

from cds.cli.config import settings_in_force
from cds.cli.console import PROBLEMS, err, print_problems
from cds.decide import Decision, Ruleset, decide
from cds.errors import RequestError
from cds.population.export import ExportError
from cds.population.run import RunSummary, summary_of
from cds.read_request import read_record
from cds.rulebook.shipped import default_rules_folder, is_installed, nearest_rules_folder
from cds.ruleset import evaluator_mode_from, load_rules
from cds.yaml_source.problem import RulesError


def rules_in(
    folder: Path | None, today: date, definitions: tuple[str, ...] | None = None, cohorts: bool = False
) -> Ruleset:
    """
    Rules of a folder, or of the one in the settings, ready to decide; prints every mistake and exits 1 on one.

    `definitions` are ids of published definitions, or "all"; None for those of the settings. `cohorts`: with the
    questions to a population.
    """
    settings = settings_in_force()
    try:
        shown = settings.show_definitions if definitions is None else definitions
        return load_rules(folder or settings.rules, evaluator_mode_from(settings.engine), today, shown, cohorts)
    except RulesError as wrong:
        print_problems(wrong.problems)
        raise typer.Exit(PROBLEMS) from None


def rules_of_run(rows: Path, rules: Path | None) -> tuple[RunSummary, Ruleset]:
    """
    What a run over a population came to, and the rules it was made with.

    Raises:
        ExportError: There is no finished run, the rules are others, or it has several days of a patient: what is told
            of a run counts patients.
    """
    summary = summary_of(rows)
    loaded = rules_in(rules, date.fromisoformat(summary.as_of), cohorts=True)
    if loaded.program.version != summary.rules:
        raise ExportError(
            f"{rows}: it was made with rules {summary.rules}, these are {loaded.program.version}; "
            "name the folder of its rules by --rules, or run it again"
        )
    if summary.has_several_days:
        raise ExportError(
            f"{rows}: it has several days of a patient, and what is told of a run counts patients; "
            "make a run with one day of each, or count the rows yourself"
        )
    return summary, loaded


def folder_to_write(named: Path | None, hint: str = "--rules") -> Path:
    """
    The folder of rules a command may write into, of which it says the name: the one named, else the one of the
    settings, else the nearest above. Never the installed package: wrong use says how to do without.
    """
    set_rules = settings_in_force().rules
    folder = named or (set_rules if set_rules != default_rules_folder() else nearest_rules_folder(Path.cwd()))
    if folder is None:
        what = "there is no folder of rules here or above; name one, or make a site's with `cds new site NAME`."
        raise typer.BadParameter(what, param_hint=hint)
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.", param_hint=hint)
    if is_installed(folder):
        what = f"{folder} belongs to the installed package, and the next installation would replace it."
        raise typer.BadParameter(f"{what} Make a site's folder with `cds new site NAME`.", param_hint=hint)
    if named is None:
        here = Path.cwd()
        if folder != here and folder.is_relative_to(here):
            folder = folder.relative_to(here)
        err.print(escape(f"in {folder}"))
    return folder


def listed_ids(text: str) -> tuple[str, ...]:
    """Ids written with commas between them."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def bodies_of(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Each named file with its bytes, in order; a folder means its .json files but cards.json, - standard input."""
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


def decisions_of(
    files: list[Path], rules: Ruleset, today: date, service: str | None
) -> Iterator[tuple[str, Decision | RequestError]]:
    """Each named file with its decision, or with the error that kept it from one."""
    settings = settings_in_force()
    if service is not None and service not in rules.program.services:
        known = ", ".join(rules.program.services)
        raise typer.BadParameter(f"there is no service {service}; there is {known}.", param_hint="--service")
    for name, body in bodies_of(files):
        try:
            record, own = read_record(body, rules, settings)
            yield name, decide(rules, record, today, service or own)
        except RequestError as refusal:
            yield name, refusal
