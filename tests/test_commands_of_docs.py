"""Each `cds` command that a page names exists, with the options it is given and no argument too many."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from cds.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "rules" / "README.md"]
)
FENCED = re.compile(r"^ *```(?:sh|bash|console|text)?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(cds .+)$", re.MULTILINE)
INLINE = re.compile(
    r"`(?:\.venv/bin/)?(cds (?!make\b)[^`]+)`"
)  # `cds make` is told of in decisions.md, as what is not there
ENDS = re.compile(r"\s+(?:2?>|\||&&|#).*$")


def commands_in(text: str) -> list[str]:
    fenced = [found for block in FENCED.findall(text) for found in COMMAND.findall(block)]
    return [ENDS.sub("", command) for command in (*fenced, *INLINE.findall(FENCED.sub("", text)))]


def commands() -> list[tuple[str, str]]:
    found = {(str(page.relative_to(ROOT)), command) for page in PAGES for command in commands_in(page.read_text())}
    return sorted(found)


@cache
def cds() -> Any:
    """The `cds` command, made ready once: that takes longer than to follow a line."""
    return typer.main.get_command(app)


def parse(command: str) -> None:
    """
    Follow a command to its end without running it.

    Raises:
        ValueError: There is no such command, or an argument too many.
        UsageError: Of typer's own click: there is no such option, or one lacks its value.
    """
    words = [word.strip("[]") for word in shlex.split(command)[1:]]
    at = cds()
    context = at.context_class(at, info_name="cds")
    while hasattr(at, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        known = at.get_command(context, name)
        if known is None:
            raise ValueError(f"no command {name}")
        at = known
        context = at.context_class(at, parent=context, info_name=name)
    _, left, _ = at.make_parser(context).parse_args(words)
    if left:
        raise ValueError(f"too many arguments: {left}")


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_of_a_page_can_be_given_so(page: str, command: str) -> None:
    parse(command)


@pytest.mark.parametrize("command", ["cds chek rules", "cds check --nonsense", "cds journal nothing", "cds lock a b c"])
def test_what_cannot_be_given_is_found(command: str) -> None:
    with pytest.raises(Exception, match=r"no command|No such option|too many"):
        parse(command)


def test_the_pages_name_commands() -> None:
    assert len(commands()) > 100
    assert commands_in("```sh\n$ cds check rules > out  # all\n```\nand `cds lock rules`") == [
        "cds check rules",
        "cds lock rules",
    ]
