"""Names and sizes under src/cds: one class for a name, and modules that can be read at a sitting."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cds"
FHIR_TYPES = SOURCE / "record" / "fhir.py"  # named as FHIR names them

OLD_CLASSES = (
    "Answered", "Asked", "CodeSet", "Codes", "Direct", "Engine", "Fate", "Gathered", "Laid", "Links", "Offer",
    "Program", "Refusal", "Seen", "Side", "Sought", "Spell", "Stretch", "Turn", "Turns", "Wanted", "Whose",
)  # fmt: skip
OLD_MODULES = (
    "aside", "cardlinks", "casebook", "elements", "gathering", "head", "holes", "kept", "latest", "look", "opinions",
    "place", "plan", "program", "receipts", "replayed", "sieve", "since", "wanted", "watch", "whose",
)  # fmt: skip
OLD_NAMES = (
    "aside", "casebook", "deepest", "holes", "layers", "look_for", "most_bytes", "most_seconds", "offers",
)  # fmt: skip
"""Names that gave way to the field's own; docs/developers/decisions.md says which others were kept, and why."""


def classes_by_name() -> dict[str, list[str]]:
    files = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        if path != FHIR_TYPES:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    files[node.name].append(str(path.relative_to(SOURCE)))
    return files


@pytest.mark.seconds
def test_no_class_name_occurs_twice() -> None:

    twice = {name: files for name, files in classes_by_name().items() if len(files) > 1}

    assert twice == {}


def test_no_module_is_longer_than_600_lines() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}

    assert {path: lines for path, lines in lengths.items() if lines > 600} == {}


@pytest.mark.seconds
def test_no_old_name_is_taken_up_again() -> None:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        old = classes.intersection(OLD_CLASSES) | names.intersection(OLD_NAMES) | {path.stem}.intersection(OLD_MODULES)
        if old:
            found[str(path.relative_to(SOURCE))] = old

    assert found == {}
