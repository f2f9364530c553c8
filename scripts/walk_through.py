"""
Run the commands of docs/rule-authors/walk-through.md and of each recipe, on a clean copy, and write below each what it
prints now.

A test holds the pages true. When a rule they show has changed, run this and read the page again as an author would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rule-authors" / "walk-through.md"
RECIPES = sorted((PAGE.parent / "recipes").glob("*.md"))
CONSOLE = re.compile(r"(```console\n)(.*?)(```)", re.DOTALL)


def clean_copy(folder: Path) -> Path:
    """The rules and examples of the repository in one of their own, with nothing to commit."""
    for name in ("rules", "fhir_examples"):
        shutil.copytree(ROOT / name, folder / name)
    for command in (
        "init -q -b main",
        "config user.name author",
        "config user.email author@example.org",
        "add .",
        "commit -q -m Begin",
    ):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)  # noqa: S603, S607 (as listed above)
    return folder


def steps(block: str) -> list[str]:
    """Each command of a block: all its lines, without the signs before them."""
    found = []
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        first, *rest = step.split("\n")
        found.append("\n".join([first, *(line[2:] for line in rest if line.startswith(">"))]))
    return found


def typed(command: str) -> str:
    """A command with the signs a shell shows before each of its lines."""
    first, *rest = command.split("\n")
    return "\n".join([f"$ {first}", *(f"> {line}".rstrip() for line in rest)])


def run(command: str, folder: Path) -> str:
    """What a shell prints for a command, errors included."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S603 (commands of our own page)
        ["/bin/bash", "-c", command + "\n"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def renewed(page: str, folder: Path) -> str:
    """The page with what its commands print in a clean copy, in their order."""

    def printed(block: re.Match[str]) -> str:
        shown = [f"{typed(command)}\n{run(command, folder)}" for command in steps(block[2])]
        return block[1] + "".join(shown) + block[3]

    return CONSOLE.sub(printed, page)


def main() -> None:
    """Write the pages anew: all, or those named."""
    named = {Path(name).resolve() for name in sys.argv[1:]}
    for page in (PAGE, *RECIPES):
        if not named or page.resolve() in named:
            with tempfile.TemporaryDirectory() as folder:
                page.write_text(renewed(page.read_text(encoding="utf-8"), clean_copy(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
