"""A population run, against reading the same bytes and against cql-execution on the same charts."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson

from benchmarks.workload import OUTCOMES, TODAY, request
from cds.population.cohort import cohort_in
from cds.population.patient import CohortPatient, body_known_on
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, run_population, summary_of
from cds.ruleset import load_rules
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


def measure_population(folder: Path, workload: Path, shipped: Path) -> dict[str, float]:
    """
    CPU milliseconds of a patient: reading with `json.loads`, grouping by patient, and whole runs in one process.

    `decide` is from the bytes of a Bundle to its row, as cql-execution is measured from bytes to answer. The best of
    three rounds, which take turns. What needs rules has a process of its own each time: a run remembers words, and
    `json.loads` is a third slower in a process that holds much.
    """
    export = folder / "export"
    resources = write_export(export, charts(PATIENTS))

    def decide(maker: DecisionRows) -> float:
        with cohort_in(export) as cohort:
            patients = [CohortPatient(one.name, one.id, partial(body_known_on, one.body)) for one in cohort.patients()]
        return _timed(lambda: [*chain.from_iterable(maker.rows_of(one, [TODAY], TODAY) for one in patients)])

    def run(maker: DecisionRows) -> float:
        out, options = Path(mkdtemp(dir=folder)), RunOptions(TODAY, TODAY, jobs=1)
        took = _timed(lambda: run_population(maker, export, out, options, RunProgress()))
        assert summary_of(out).outcomes == {"decided": PATIENTS}
        return took

    def by(rules: Path, measure: Callable[[DecisionRows], float]) -> Callable[[], float]:
        return lambda: _alone(lambda: measure(DecisionRows(load_rules(rules, None, TODAY, cohorts=True), Settings())))

    work: dict[str, Callable[[], float]] = {
        "read and json.loads": lambda: _warm(lambda: _read(export)),
        "grouping": lambda: _warm(lambda: _group(export)),
        "decide, workload rules": by(workload, decide),
        "run, workload rules": by(workload, run),
        "run, shipped rules": by(shipped, run),
    }
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, measure in work.items():
            took = measure() / PATIENTS
            best[name] = min(took, best.get(name, took))
    return best | {"resources of a patient": resources / PATIENTS}


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    work()
    return 1000 * (time.process_time() - begun)


def _warm(work: Callable[[], object]) -> float:
    return min(_timed(work) for _ in range(ROUNDS))


def _alone(measure: Callable[[], float]) -> float:
    """What a copy of this process measures."""
    copies = get_context("fork")
    receiving, sending = copies.Pipe(duplex=False)
    copy = copies.Process(target=lambda: sending.send(measure()))
    copy.start()
    sending.close()  # so that a copy that fails ends the waiting
    took: float = receiving.recv()
    copy.join()
    return took


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
