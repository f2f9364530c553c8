"""Runs over exports that tests write, and what is in their rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from cds.decide import Ruleset
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, RunSummary, rows_in, run_population
from cds.settings import Settings
from scripts.make_population import export as made_up_export

TODAY = date(2026, 6, 1)
WHOLE = ("AllergyIntolerance", "MedicationDispense", "MedicationStatement", "Procedure", "ServiceRequest")
Rows = list[dict[str, Any]]


def write_population(folder: Path, patients: int, seed: int = 1, size: int = 60, files: int = 1) -> Path:
    """A made-up export of worn charts, a quarter of its files gzip; give the folder."""
    made_up_export(folder, patients, seed, size, files, packed=True, healthy=0)
    return folder


def run(rules: Ruleset, export: Path, out: Path, **options: Any) -> tuple[RunSummary, Rows]:
    chosen = RunOptions(options.pop("as_of", TODAY), TODAY, **{"jobs": 1} | options)
    summary = run_population(DecisionRows(rules, Settings()), export, out, chosen, RunProgress())
    return summary, list(rows_in(out))


def bytes_of(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (out / "rows").iterdir()}


def answers(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """What is told of each patient and day; not from how much it was told."""
    of_the_data = {"input", "resources", "newest", "issues"}
    return {
        (row["patient"], row["as_of"]): {name: told for name, told in row.items() if name not in of_the_data}
        for row in rows
    }
