"""Text and cursor → where in the file that is, also while the text is no YAML yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds.language_server.documents import Place, written_scalars
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import read_yaml

HERE = "cursor-is-here"
TOKEN = re.compile(r"[\w.|*+-]*\Z")
REST = re.compile(r"[\w.|*+-]*")
PLACEHOLDER_AT_END = re.compile(
    r"\{\{\s*(?:(?:(?P<word>[a-z_]+)\(\s*)?[a-z0-9_]*|[a-z0-9_]+\s*(?P<forms>\|)(?:[^{}|]*\|)*\s*[a-z]*)\Z"
)
FORMS = "|"
OPENING = {"[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    Where a cursor is.

    Attributes:
        path: Where in the file; of a key, without it.
        is_key: Whether a key is being written, not a value.
        start, end: The word around the cursor, from where to where.
        value: The whole file, as far as it can be read.
        placeholder: Inside a placeholder, the word before the bracket, "" for none, FORMS where a plural form begins;
            None outside of one.
    """

    path: YamlPath
    is_key: bool
    start: Place
    end: Place
    value: Any
    placeholder: str | None = None


def cursors_at(place: Place, text: str) -> list[Cursor]:
    """
    Each way to read what is being written at a place: as a key, as a value, or as both, where either could follow.

    The word around the cursor is replaced by one that is YAML, and the rest of the file is left out where it is not.
    """
    lines = text.split("\n")
    line, column = place
    row = lines[line] if line < len(lines) else ""
    before = row[:column]
    token = TOKEN.search(before)
    start = token.start() if token else column
    rest = REST.match(row, column)
    end = rest.end() if rest else column
    span = (line, start), (line, end)
    if placeholder := PLACEHOLDER_AT_END.search(before):
        path = next((one.path for one in _readings(lines, line, start, end, ("",))), ())
        return [Cursor(path, False, *span, None, placeholder["word"] or placeholder["forms"] or "")]
    found: dict[tuple[YamlPath, bool], Cursor] = {}
    for ending in ("", ": 0"):
        for one in _readings(lines, line, start, end, (ending,)):
            found.setdefault((one.path, one.is_key), Cursor(one.path, one.is_key, *span, one.value))
            break
    return list(found.values()) or [Cursor(_by_indentation(lines, line), True, *span, None)]


@dataclass(frozen=True, slots=True)
class _Reading:
    path: YamlPath
    is_key: bool
    value: Any


def _readings(lines: list[str], line: int, start: int, end: int, endings: tuple[str, ...]) -> Iterator[_Reading]:
    row = lines[line] if line < len(lines) else ""
    for ending in endings:
        written = row[:start] + HERE + ending
        rest = row[end:]
        whole = [*lines[:line], written + rest, *lines[line + 1 :]]
        cut = [*lines[:line], written + _closing([*lines[max(0, line - 20) : line], row[:start]])]
        for attempt in (whole, cut, [*_entry(lines, line), cut[-1]]):
            text = "\n".join(attempt)
            for scalar in written_scalars(text):
                if HERE in scalar.value and "\n" not in scalar.value:
                    path = scalar.path[:-1] if scalar.is_key else scalar.path
                    yield _Reading(path, scalar.is_key, read_yaml(text, "").value)


def _entry(lines: list[str], line: int) -> list[str]:
    """The section and the entry of it around a line, up to there: for a file with a mistake somewhere before."""
    section = next((at for at in range(line - 1, -1, -1) if re.match(r"[a-z_]+:", lines[at])), 0)
    entry = next((at for at in range(line - 1, section, -1) if re.match(r"  \S", lines[at])), section + 1)
    return [lines[section], *lines[entry:line]]


def _closing(lines: list[str]) -> str:
    """The brackets that are open at the end of these lines, closed."""
    first = max((at for at, row in enumerate(lines) if re.match(r"\s{0,4}[\w-]+:|\s*- ", row)), default=0)
    opened: list[str] = []
    for row in lines[first:]:
        for sign in re.sub(r"""(?<=[\s\[{,:])("[^"]*"|'[^']*')|\s#.*""", "", row):
            if sign in OPENING:
                opened.append(OPENING[sign])
            elif opened and sign == opened[-1]:
                opened.pop()
    return "".join(reversed(opened))


def _by_indentation(lines: list[str], line: int) -> YamlPath:
    """The keys above a line, each less far in: for a text that cannot be read at all."""
    path: list[str] = []
    deep = len(lines[line]) - len(lines[line].lstrip()) if line < len(lines) else 0
    for row in reversed(lines[:line]):
        key = re.match(r"(\s*)([\w-]+):", row)
        if key and len(key[1]) < deep:
            path.append(key[2])
            deep = len(key[1])
    return tuple(reversed(path))
