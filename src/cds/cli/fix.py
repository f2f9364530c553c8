"""cds fix: correct what a program can correct in rule files; shown first, written with --write."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from cds.authoring.fix.fixes import VersionStep
from cds.authoring.fix.rounds import FixedFolder, fixed_folder
from cds.cli.console import OK, PROBLEMS, Today, day_of, out
from cds.cli.files import folder_to_write


def fix(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of rule files; the nearest one above by default.", show_default=False)
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the changes; without it they are only shown.")] = False,
    step: Annotated[
        VersionStep,
        typer.Option(
            "--step",
            help="How versions of changed files go up: patch (wording), minor (more patients may see a card), "
            "major (fewer may, or a threshold moved).",
        ),
    ] = VersionStep.MINOR,
    compared_with: Annotated[
        str,
        typer.Option(
            "--compared-with",
            metavar="RELEASE",
            help="Lists without `checked` were compared with this release today: say so in each.",
            show_default=False,
        ),
    ] = "",
    today: Today = None,
) -> None:
    """
    Correct what a program can: misspelled names, spelling of systems, $schema lines, versions, the lock, layout.

    Shows each change with its reason, as a diff; comments stay as they are.

    [bold]Example:[/bold] cds fix rules
    [bold]Example:[/bold] cds fix rules --write --step patch
    [bold]Example:[/bold] cds fix rules --write --compared-with "ICD-10-CM 2026"
    """
    folder = folder_to_write(path, "PATH")
    fixed = fixed_folder(folder, day_of(today), step, compared_with)
    sys.stdout.write("".join(_shown(file, fixed) for file in fixed.after))
    if write:
        for file, text in fixed.after.items():
            file.write_bytes(text.encode())
    verb = "changed" if write else "would change"
    out.print(f"{len(fixed.fixes)} fix(es): {len(fixed.after)} file(s) {verb}")
    if fixed.after and not write:
        out.print("Nothing is written yet: --write does it.")
    if fixed.left:
        out.print(f"{len(fixed.left)} problem(s) are left for you: cds check {folder}")
    raise typer.Exit(PROBLEMS if fixed.after and not write else OK)


def _shown(file: Path, fixed: FixedFolder) -> str:
    """The reasons for the changes of a file, and its diff; `git apply -p0` and `patch` read it."""
    reasons = [
        f"{one.name}: {one.what} {one.why}\n"
        for one in fixed.fixes
        if any(edit.file == str(file) for edit in one.edits)
    ]
    lines = difflib.unified_diff(
        fixed.before[file].splitlines(keepends=True), fixed.after[file].splitlines(keepends=True), str(file), str(file)
    )
    diff = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join([*dict.fromkeys(reasons), *diff, "\n"])
