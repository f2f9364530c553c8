"""Imports point one way, and each foreign language has one door."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cds"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")

# A room may import the rooms before it, and itself. From rulebook, later rooms take frozen values only.
ORDER = [
    "errors", "locale", "logic", "terminology", "yaml_source", "compression", "parallel", "record", "facts", "rulebook",
    "engine", "cards", "decide", "serialize", "explanation", "review", "ruleset", "fhir_client", "settings",
    "configuration", "telemetry", "read_request", "write_request", "population", "journal", "api", "auth", "authoring",
    "language_server", "web", "ready_rules", "reload", "replay", "app", "serving", "cli",
]  # fmt: skip
# The compiler needs nothing of the record.
NEVER = {("rulebook", "record"), ("api", "authoring"), ("authoring", "api")}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def of_ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("cds.") and name != "cds.__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    for there in of_ours(path) - {here}:
        assert ORDER.index(there) < ORDER.index(here), f"{here} imports {there}"
        assert (here, there) not in NEVER


def test_modules_have_no_circles() -> None:
    names = {path: "cds." + ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in MODULES}
    known = set(names.values())
    graph = {name: {module for module in imported(path) if module in known} - {name} for path, name in names.items()}

    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("durable", {"engine/durable.py"}),
        ("yaml", {"yaml_source/document.py", "yaml_source/ranges.py"}),
        ("pint", {"record/units.py"}),
        ("psycopg", set()),
        ("joserfc", {"auth/jwks.py", "auth/client_jwt.py", "web/console/sign_in.py"}),
        ("authlib", {"web/console/sign_in.py"}),
    ],
)
def test_each_foreign_language_has_one_door(library: str, doors: set[str]) -> None:
    users = {
        str(path.relative_to(SOURCE))
        for path in MODULES
        if any(name.split(".")[0].startswith(library) for name in imported(path))
    }

    assert users == doors


def test_the_middle_reads_no_clock_no_file_and_no_network() -> None:
    for path in MODULES:
        if room(path) in {"facts", "engine", "cards", "decide", "record"}:
            text = path.read_text()
            for forbidden in (
                r"date\.today",
                r"datetime\.now",
                r"time\.time",
                r"(?<!\w)open\(",
                "read_text",
                "socket",
                "logging",
            ):
                assert not re.search(forbidden, text), f"{forbidden} in {path.relative_to(SOURCE)}"


@pytest.mark.seconds
def test_no_clinical_word_stands_in_the_code() -> None:
    for path in MODULES:
        if room(path) in {"authoring"}:
            continue
        code = ast.unparse(_without_docstrings(ast.parse(path.read_text()))).lower()
        for word in ("ketamine", "phq", "sertraline", "venlafaxine", "treatment_resistant"):
            assert word not in code, f"{word} in {path.relative_to(SOURCE)}"


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                child
                for child in node.body
                if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
            ] or [ast.Pass()]
    return tree
