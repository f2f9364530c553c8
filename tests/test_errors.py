"""The hierarchy of errors: every one is of CdsError, and the drawing in cds.errors is the hierarchy."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cds.errors

SOURCE = Path(__file__).parents[1] / "src" / "cds"
OTHERS = {
    "CaseFailedError",  # the plug-in that raises it loads nothing else of ours until it has rules to test
    "ErrorMiddleware",  # named after what it handles
    "WorkStopped",  # like KeyboardInterrupt: no handler of errors may take it for one
}


def bases_by_error() -> dict[str, tuple[str, list[str]]]:
    """Each class named …Error → its module and its bases."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                if any(base.endswith(("Error", "Exception")) for base in bases) and node.name not in OTHERS:
                    found[node.name] = (str(path.relative_to(SOURCE)), bases)
    return found


def drawn(errors: dict[str, tuple[str, list[str]]], name: str = "CdsError", depth: int = 0) -> list[str]:
    module = errors[name][0]
    where = "" if module == "errors.py" else f"  {module}"
    lines = [f"{'    ' * depth}{name}{where}"]
    for child in sorted(other for other, (_, bases) in errors.items() if bases[0] == name):
        lines += drawn(errors, child, depth + 1)
    return lines


@pytest.mark.seconds
def test_every_error_is_a_cds_error_named_error() -> None:
    errors = bases_by_error()

    assert all(name.endswith("Error") for name in errors)
    assert {line.split()[0] for line in drawn(errors)} == set(errors)


@pytest.mark.seconds
def test_the_drawing_in_the_docstring_is_the_hierarchy() -> None:
    doc = cds.errors.__doc__ or ""
    drawing = [line.removeprefix("    ") for line in doc.splitlines() if line.startswith("    ")]

    assert drawing == drawn(bases_by_error())
