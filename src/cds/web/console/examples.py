"""Invented patients that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

PACKAGED = Path(__file__).parents[2] / "_examples"
IN_REPOSITORY = Path(__file__).parents[4] / "fhir_examples"


@dataclass(frozen=True, slots=True)
class Example:
    """One invented patient: a title, a word on who it is, and the request."""

    name: str
    title: str
    says: str
    request: str


@cache
def examples() -> dict[str, Example]:
    """Examples by their names; none where the package came without them."""
    folder = _folder()
    return {path.parent.name: _example(path) for path in sorted(folder.glob("*/request.json"))}


@cache
def examples_day() -> date | None:
    """The day the examples are decided for."""
    file = _folder() / "today.txt"
    return date.fromisoformat(file.read_text(encoding="utf-8").strip()) if file.is_file() else None


def _folder() -> Path:
    return PACKAGED if PACKAGED.is_dir() else IN_REPOSITORY


def _example(path: Path) -> Example:
    about = path.parent / "README.md"
    lines = [line for line in about.read_text(encoding="utf-8").splitlines() if line] if about.is_file() else []
    title = lines[0].lstrip("# ") if lines else path.parent.name
    says = next((line for line in lines[1:] if not line.startswith(("Invented.", "**"))), "")
    return Example(path.parent.name, title, says, path.read_text(encoding="utf-8"))
