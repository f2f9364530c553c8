"""cds new, cds fmt, cds docs: what a rule author starts with, lays out and shows to others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from cds.authoring import scaffold
from cds.authoring.formatter import formatted
from cds.authoring.reference import site as reference
from cds.authoring.testing.cases import read_rule_tests
from cds.cli.config import settings_in_force
from cds.cli.console import OK, PROBLEMS, RulesFolder, Today, day_of, err, out, print_problems
from cds.cli.files import folder_to_write
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.shipped import is_installed, nearest_rules_folder

NAME = re.compile(r"[a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)*")
new = typer.Typer(
    help="New files for rule authors, with a TODO wherever only you know what to write.", no_args_is_help=True
)


def _book(folder: Path | None) -> Rulebook:
    root = folder or settings_in_force().rules
    if not root.is_dir():
        raise typer.BadParameter(f"{root} is not a folder.", param_hint="--rules")
    return read_rulebook(root)


def _book_to_write(folder: Path | None) -> Rulebook:
    return read_rulebook(folder_to_write(folder))


def _write(files: dict[Path, str]) -> None:
    try:
        scaffold.write(files)
    except scaffold.AlreadyExistsError as exists:
        err.print(escape(f"{exists}."))
        raise typer.Exit(PROBLEMS) from None
    for path in files:
        out.print(escape(f"made {path}"))
    out.print("Next: write what each TODO asks for; `cds check` lists those that are left.")


WrittenFolder = Annotated[
    Path | None,
    typer.Option("--rules", help="Folder to write into; the nearest folder of rules by default.", show_default=False),
]
Name = Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens; a folder may stand before it.")]


def _fit(name: str) -> str:
    if not NAME.fullmatch(name):
        raise typer.BadParameter(f"{name} is no name: lower-case letters, digits and hyphens.", param_hint="NAME")
    return name


@new.command("rule")
def new_rule(name: Name, rules: WrittenFolder = None, today: Today = None) -> None:
    """
    A rule file, as a draft, and its tests.

    [bold]Example:[/bold] cds new rule depression/sleep
    """
    _write(scaffold.new_rule(_book_to_write(rules), _fit(name), day_of(today)))


@new.command("test")
def new_test(
    rule: Annotated[str, typer.Argument(help="Id of a rule file.")], rules: WrittenFolder = None, today: Today = None
) -> None:
    """
    Cases for every conclusion of a rule file that has none.

    [bold]Example:[/bold] cds new test sleep
    """
    try:
        _write(scaffold.new_test(_book_to_write(rules), rule, day_of(today)))
    except scaffold.RuleNotFoundError as no_such:
        raise typer.BadParameter(f"{no_such}.", param_hint="RULE") from None


@new.command("valueset")
def new_value_set(name: Name, rules: WrittenFolder = None) -> None:
    """
    A value set.

    [bold]Example:[/bold] cds new valueset insomnia
    """
    _write(scaffold.new_value_set(_book_to_write(rules), _fit(name)))


@new.command("wording")
def new_wording(
    rule: Annotated[str, typer.Argument(help="Id of a rule file.")],
    language: Annotated[str, typer.Option("--language", help="The language to write in, such as de.")] = "en",
    rules: WrittenFolder = None,
    today: Today = None,
) -> None:
    """
    All texts of a rule file, in a site's folder, to be translated or worded otherwise.

    [bold]Example:[/bold] cds new wording evaluation --language de --rules st-elsewhere
    """
    try:
        _write(scaffold.new_wording(_book_to_write(rules), rule, language, day_of(today)))
    except scaffold.RuleNotFoundError as no_such:
        raise typer.BadParameter(f"{no_such}.", param_hint="RULE") from None


@new.command("site")
def new_site(
    folder: Annotated[Path, typer.Argument(help="A new folder; its name becomes the site's id.")],
    rules: RulesFolder = None,
    today: Today = None,
) -> None:
    """
    A site's folder, with an overlay that changes nothing yet.

    [bold]Example:[/bold] cds new site st-elsewhere
    """
    _fit(folder.name)
    root = rules or nearest_rules_folder(Path.cwd()) or settings_in_force().rules
    book = _book(root)
    base = (book.base or book.root).resolve()
    if folder.resolve().is_relative_to(base) or is_installed(folder):
        raise typer.BadParameter(f"{folder} is inside of {base}; a site has a folder of its own.", param_hint="FOLDER")
    seen_from_there = None if is_installed(base) else Path(os.path.relpath(base, folder.resolve())).as_posix()
    _write(scaffold.new_site(folder, book, seen_from_there, day_of(today)))


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders; the nearest folder of rules by default.", show_default=False),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say which files are not laid out so.")] = False,
) -> None:
    """
    Lay rule files out alike: order of sections, blank lines, ends of lines. Comments and meaning stay.

    [bold]Example:[/bold] cds fmt rules
    """
    named = paths or ([settings_in_force().rules] if check else [folder_to_write(None, "PATHS")])
    if missing := [path for path in named if not path.exists()]:
        raise typer.BadParameter(f"{missing[0]} does not exist.", param_hint="PATHS")
    files = sorted({file for path in named for file in (path.rglob("*.yaml") if path.is_dir() else [path])})
    changed = 0
    for file in files:
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            err.print(escape(f"{file} is not UTF-8 text."))
            raise typer.Exit(PROBLEMS) from None
        made = formatted(text)
        if made != text:
            changed += 1
            out.print(escape(str(file)))
            if not check:
                file.write_bytes(made.encode("utf-8"))
    out.print(f"{changed} of {len(files)} file(s) {'would change' if check else 'changed'}")
    raise typer.Exit(PROBLEMS if check and changed else OK)


def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages are written.")] = Path("build/rules"),
    rules: RulesFolder = None,
) -> None:
    """
    Build the reference of the rules: a page for each file, for people who do not read YAML.

    [bold]Example:[/bold] cds docs build/rules
    """
    book = _book(rules)
    rule_tests = read_rule_tests(book.root, book)
    if problems := [p for p in (*book.problems, *rule_tests.problems) if not p.warning]:
        print_problems(problems)
        raise typer.Exit(PROBLEMS)
    if find_spec("material") is None:
        err.print("MkDocs Material is not installed: pip install 'thirdline\\[docs]'.")
        raise typer.Exit(PROBLEMS)
    made = reference.pages(book, rule_tests)
    with TemporaryDirectory() as scratch:
        reference.write(Path(scratch), made)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder.resolve())]
        done = subprocess.run(command, cwd=scratch, capture_output=True, check=False, text=True)  # noqa: S603
    if done.returncode:
        err.print(escape(done.stderr))
        raise typer.Exit(PROBLEMS)
    count = sum(name.endswith(".md") for name in made)
    out.print(f"{folder}: {count} pages")
