"""A population run, against reading the same bytes and against cql-execution on the same charts."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.workload import OUTCOMES, TODAY, request
from cds.decide import Ruleset
from cds.population.cohort import cohort_in
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, run_population
from cds.settings import Settings

RESOURCES = 150  # of a chart
PATIENTS, ROUNDS = 400, 3
CQL_CHARTS = {"tuned": 100, "idiomatic": 20}


def charts(patients: int) -> list[bytes]:
    """Requests, one a patient, of each outcome in turn."""
    return [request(RESOURCES, OUTCOMES[number % len(OUTCOMES)], number) for number in range(patients)]


def write_export(folder: Path, bodies: list[bytes]) -> int:
    """The charts as the files of a bulk export; how many resources they hold."""
    folder.mkdir(parents=True)
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    for body in bodies:
        prefetch: dict[str, Any] = orjson.loads(body)["prefetch"]
        bundles = [prefetch[key] for key in prefetch if key != "patient"]
        for resource in (prefetch["patient"], *(entry["resource"] for one in bundles for entry in one["entry"])):
            lines[resource["resourceType"]].append(orjson.dumps(resource) + b"\n")
    for kind, many in lines.items():
        (folder / f"{kind}.000.ndjson").write_bytes(b"".join(many))
    return sum(map(len, lines.values()))


def _read(export: Path) -> None:
    for file in export.iterdir():
        with file.open("rb") as reading:
            for line in reading:
                json.loads(line)


def _group(export: Path) -> None:
    with cohort_in(export) as cohort:
        for patient in cohort.patients():
            assert patient.body


def measure_population(folder: Path, workload: Ruleset, shipped: Ruleset) -> dict[str, float]:
    """
    CPU milliseconds of a patient: reading with `json.loads`, grouping by patient, and whole runs in one process.

    The best of three rounds, which take turns.
    """
    export = folder / "export"
    resources = write_export(export, charts(PATIENTS))

    def run(rules: Ruleset) -> None:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        options = RunOptions(TODAY, TODAY, jobs=1)
        summary = run_population(DecisionRows(rules, Settings()), export, out, options, RunProgress())
        assert summary.outcomes == {"decided": PATIENTS}, summary

    work: dict[str, Callable[[], None]] = {
        "read and json.loads": lambda: _read(export),
        "grouping": lambda: _group(export),
        "run, workload rules": lambda: run(workload),
        "run, shipped rules": lambda: run(shipped),
    }
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, does in work.items():
            begun = time.process_time()
            does()
            took = 1000 * (time.process_time() - begun) / PATIENTS
            best[name] = min(took, best.get(name, took))
    return best | {"resources of a patient": resources / PATIENTS}


def measure_cql(folder: Path, node_modules: Path) -> dict[str, float]:
    """CPU milliseconds of a patient by cql-execution, warm, on charts of the same population; CQL is in the folder."""
    node = shutil.which("node") or "node"
    found = {}
    for style, patients in CQL_CHARTS.items():
        files = []
        for number, body in enumerate(charts(patients)):
            files.append(folder / f"chart-{number}.json")
            files[-1].write_bytes(body)
        script = Path(__file__).parent / "cql" / "run.mjs"
        running: list[str | Path] = [node, script, node_modules, folder, style, "0", *files]
        ended = subprocess.run(running, check=True, capture_output=True, text=True)  # noqa: S603
        said = [json.loads(line) for line in ended.stdout.splitlines()]
        assert [one["outcome"] for one in said] == [OUTCOMES[number % len(OUTCOMES)] for number in range(patients)]
        found[f"cql-execution, {style}"] = sum(one["best"] for one in said) / patients
    return found
