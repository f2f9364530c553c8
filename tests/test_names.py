"""Names under src/cds: one class for a name."""

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
    # The fact kinds and what they are compiled to share two names until they are one class.
    open_until_one_class_a_kind = {"Adherence", "SummedItems"}
    twice = {name: files for name, files in classes_by_name().items() if len(files) > 1}

    assert set(twice) <= open_until_one_class_a_kind, twice
