"""Names and sizes under src/cds: one class for a name, and modules that can be read at a sitting."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "cds"
FHIR_TYPES = SOURCE / "record" / "fhir.py"  # named as FHIR names them


def classes_by_name() -> dict[str, list[str]]:
    files = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        if path != FHIR_TYPES:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    files[node.name].append(str(path.relative_to(SOURCE)))
    return files


def test_no_class_name_occurs_twice() -> None:

    twice = {name: files for name, files in classes_by_name().items() if len(files) > 1}

    assert twice == {}


def test_no_module_is_longer_than_600_lines() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}

    assert {path: lines for path, lines in lengths.items() if lines > 600} == {}
