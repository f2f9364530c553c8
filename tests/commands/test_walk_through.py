"""The walk-through for rule authors, run word for word."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.commands.test_diff_and_lock import git
from tests.server import ROOT

PAGE = ROOT / "docs" / "rule-authors" / "walk-through.md"
PRACTICE = Path("docs") / "rule-authors" / "first-change"


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Each command of the page, with what stands below it."""
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *rest = step.split("\n")
            typed = [line[2:] for line in rest if line.startswith("> ")]
            yield "\n".join([first, *typed]), "\n".join(line for line in rest if not line.startswith("> ")).rstrip()


def clean_copy(folder: Path) -> Path:
    shutil.copytree(ROOT / PRACTICE, folder / PRACTICE)
    shutil.copytree(ROOT / "fhir_examples", folder / "fhir_examples")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    git(folder, "config", "user.name", "t")
    git(folder, "config", "user.email", "t@example.org")
    return folder


def run(command: str, folder: Path) -> str:
    """What a shell prints for a command, errors included."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/bash", "-c", command + "\n"], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, text=True,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).rstrip()


def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    folder = clean_copy(tmp_path)
    told = list(steps(PAGE.read_text(encoding="utf-8")))

    assert len(told) >= 10
    for command, expected in told:
        assert run(command, folder) == expected, command
