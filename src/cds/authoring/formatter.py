"""YAML text → the same text, laid out as all rule files are; what it means does not change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds.yaml_source.document import read_yaml

SECTIONS = (
    "about", "evidence", "parameters", "patterns", "facts", "conclusions", "definitions", "services", "cards",
    "leaflets", "lists",
)  # fmt: skip
TOP = re.compile(r"([a-z_]+):")


def formatted(text: str) -> str:
    """
    Lines end in a line feed without spaces before it, and no two blank lines follow each other; the sections of a rule
    file stand in the order of the format with one between them. Comments stay with what follows them.

    Text that is not YAML, and text that would mean something else afterwards, comes back as it was.
    """
    before = read_yaml(text, "")
    if before.problems:
        return text
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    made = "\n".join(_without_double(lines)).strip("\n") + "\n"
    if isinstance(before.value, dict) and "about" in before.value:
        made = _in_order(lines)
    made = re.sub(r"\A((?:#[^\n]*\n)+)\n(?=[a-z])", r"\1", made)  # what points an editor to the schema
    after = read_yaml(made, "")
    return made if not after.problems and after.value == before.value else text


def _in_order(lines: list[str]) -> str:
    parts = list(_sections(lines))
    known = [part for part in parts if part[0] in SECTIONS]
    parts = [part for part in parts if part[0] not in SECTIONS]
    parts += sorted(known, key=lambda part: SECTIONS.index(part[0]))
    return "\n\n".join("\n".join(_without_double(part)) for _, part in parts if any(part)).strip("\n") + "\n"


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Name of each top-level key ("" for what stands before the first) and its lines, with the comments before it."""
    name, part = "", list[str]()
    for line in lines:
        key = TOP.match(line)
        if key:
            mine: list[str] = []
            while part and (part[-1].startswith("#") or not part[-1]) and name:
                mine.insert(0, part.pop())
            yield name, part
            name, part = key[1], mine
        part.append(line)
    yield name, part


def _without_double(lines: list[str]) -> list[str]:
    """The lines without blank ones at either end or twice in a row."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept
