"""
Population runs at scale: memory, processes, Spark, a patient with very much data, and types that no rule reads.

    python -m benchmarks.population_scale [memory] [processes] [spark] [giant] [unread]

Each run is a command of its own, measured as the kernel counts it with all it starts. Linux only.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench import machine
from benchmarks.population import charts, write_export
from cds.population.cohort import cohort_in
from cds.population.run import rows_in
from scripts.make_population import export as made_up_export

TODAY = "2026-06-01"
SIZE = 30  # resources of a chart
WHOLE_SIZE = 150  # those of one in the acceptance of processes and Spark
FEW, MANY = 4_000, 20_000  # patients
GIANT = 200_000  # resources
PR_SET_CHILD_SUBREAPER = 36
READ_SHARE = 0.326  # of the bytes of 18 public Synthea charts, that of types rules read
UNREAD = ("Claim", "DiagnosticReport", "DocumentReference")
ROUNDS = 3


class Cost(NamedTuple):
    """What a command took with all it started: CPU and wall seconds, and MB of the largest process at its peak."""

    cpu: float
    wall: float
    peak: float


def run_alone(export: Path, out: Path, *options: str) -> Cost:
    """The cost of one `cds population run`, in a process that measures nothing else."""
    shutil.rmtree(out, ignore_errors=True)
    asked = [sys.executable, "-m", "benchmarks.population_scale", "--one", str(export), str(out), *options]
    told = subprocess.run(asked, check=True, capture_output=True, text=True)  # noqa: S603
    return Cost(*json.loads(told.stdout.splitlines()[-1]))


def measure_one(export: str, out: str, options: list[str]) -> Cost:
    """Run the command, and wait for all that it started: what it leaves behind becomes a child of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    begun = time.perf_counter()
    asked = ["population", "run", export, out, "--today", TODAY, *options]
    program = "import sys; sys.argv[0] = 'cds'; from cds.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", program, *asked], check=True, stdout=sys.stderr)  # noqa: S603
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    wall = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1000)


def digest(out: Path) -> str:
    """Of all rows of a run."""
    found = hashlib.sha256()
    for file in sorted((out / "rows").iterdir()):
        found.update(file.read_bytes())
    return found.hexdigest()


def memory(folder: Path) -> Iterator[str]:
    """Row 5: the peak of a process, of few patients and of many."""
    peaks = []
    for patients in (FEW, MANY):
        export = folder / f"export-{patients}"
        resources = made_up_export(export, patients, 1, SIZE, files=4)
        cost = run_alone(export, folder / "out", "--jobs", "1")
        peaks.append(cost.peak)
        each = 1000 * cost.cpu / patients
        yield f"{patients:,} patients, {resources:,} resources: {cost.peak:.0f} MB, {each:.1f} ms CPU a patient"
    yield f"row 5: {peaks[1]:.0f} MB (≤ 250), {peaks[1] / peaks[0]:.2f} times (≤ 1.15)"


def processes(folder: Path) -> Iterator[str]:
    """Row 7: one process and two, in turn."""
    export = folder / "export-processes"
    made_up_export(export, FEW, 1, WHOLE_SIZE, files=4)
    best: dict[int, Cost] = {}
    for _ in range(ROUNDS):
        for jobs in (1, 2):
            cost = run_alone(export, folder / f"out-{jobs}", "--jobs", str(jobs))
            known = best.get(jobs, cost)
            best[jobs] = Cost(*(min(pair) for pair in zip(cost, known, strict=True)))
    assert digest(folder / "out-1") == digest(folder / "out-2")
    yield (
        f"row 7: wall {best[1].wall / best[2].wall:.2f} times faster by two processes (≥ 1.7 on an idle machine), "
        f"CPU {best[2].cpu / best[1].cpu:.2f} times that of one, same rows"
    )


def spark(folder: Path) -> Iterator[str]:
    """Row 8: Spark on this machine against a local run."""
    export = folder / "export-spark"
    made_up_export(export, FEW, 1, WHOLE_SIZE, files=4)
    local = run_alone(export, folder / "out-local", "--jobs", "2")
    made = run_alone(export, folder / "out-spark", "--engine", "spark")
    same = "same rows" if digest(folder / "out-local") == digest(folder / "out-spark") else "OTHER ROWS"
    yield (
        f"row 8: Spark {made.cpu:.0f} s CPU, local {local.cpu:.0f}: {made.cpu / local.cpu:.1f} times (≤ 2.0), {same}; "
        f"largest process {made.peak:.0f} MB, local {local.peak:.0f}"
    )


def giant(folder: Path) -> Iterator[str]:
    """Row 10: 200,000 resources of one patient among 20."""
    export = folder / "export-giant"
    made_up_export(export, 20, 1, SIZE)
    before = run_alone(export, folder / "out-before", "--jobs", "1")
    line = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p7"},
        "effectiveDateTime": "2020-01-01", "code": {"text": "Weight"}, "note": [{"text": "x" * 800}],
    }  # fmt: skip
    with (export / "Observation.giant.ndjson").open("w") as writing:
        writing.writelines(f"{json.dumps(line | {'id': f'giant-{number}'})}\n" for number in range(GIANT))
    after = run_alone(export, folder / "out-after", "--jobs", "1")
    rows = [
        {row["patient"]: row for row in rows_in(folder / out)} for out in ("out-before", "out-after")
    ]  # fmt: skip
    whole, refused = (one.pop("p7") for one in rows)
    assert rows[0] == rows[1]
    assert (whole["outcome"], refused["outcome"]) == ("decided", "refused")
    yield (
        f"row 10: refused ({refused['why']}), {after.cpu - before.cpu:.1f} s CPU more, {after.peak:.0f} MB "
        f"(≤ 800; without it {before.peak:.0f}), the other 19 rows unchanged"
    )


def _claim(kind: str) -> dict[str, Any]:
    """Deep, as claims are."""
    coding = {"system": "http://snomed.info/sct", "code": "185349003", "display": "Encounter for check up"}
    amount = {"category": {"coding": [coding]}, "amount": {"value": 129.16, "currency": "USD"}}
    item = {
        "sequence": 1, "productOrService": {"coding": [coding], "text": "Encounter"}, "adjudication": [amount] * 6,
        "servicedPeriod": {"start": "2020-01-01T09:00:00Z", "end": "2020-01-01T09:15:00Z"},
    }  # fmt: skip
    patient = {"reference": "Patient/x"}
    return {"resourceType": kind, "id": "x", "status": "active", "patient": patient, "item": [item] * 5}


def unread(folder: Path) -> Iterator[str]:
    """Row 11: grouping an export with claims and documents, named by type, against the same bytes named by number."""
    export, unnamed = folder / "export-named", folder / "export-unnamed"
    write_export(export, charts(400))
    wanted = sum(file.stat().st_size for file in export.iterdir()) / READ_SHARE * (1 - READ_SHARE)
    for kind in UNREAD:
        text = json.dumps(_claim(kind)) + "\n"
        (export / f"{kind}.000.ndjson").write_text(text * int(wanted / len(UNREAD) / len(text)))
    unnamed.mkdir()
    for number, file in enumerate(sorted(export.iterdir())):
        os.link(file, unnamed / f"part-{number:03}.ndjson")

    def read(place: Path) -> str:
        for file in place.iterdir():
            with file.open("rb") as lines:
                for line in lines:
                    json.loads(line)
        return ""

    def grouped(place: Path) -> str:
        found = hashlib.sha256()
        with cohort_in(place) as cohort:
            for patient in cohort.patients():
                found.update(patient.body)
        return found.hexdigest()

    work: dict[str, Callable[[], str]] = {
        "read": lambda: read(export), "named": lambda: grouped(export), "unnamed": lambda: grouped(unnamed)
    }  # fmt: skip
    best, told = dict.fromkeys(work, inf), {}
    for _ in range(ROUNDS):
        for name, does in work.items():
            begun = time.process_time()
            told[name] = does()
            best[name] = min(best[name], time.process_time() - begun)
    assert told["named"] == told["unnamed"]
    yield (
        f"row 11: grouping takes {best['named'] / best['read']:.2f} times read + json.loads of all (≤ 0.5), "
        f"{best['named'] / best['unnamed']:.2f} times grouping with every file opened, same Bundles"
    )


MEASURES = {"memory": memory, "processes": processes, "spark": spark, "giant": giant, "unread": unread}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure_one(sys.argv[2], sys.argv[3], sys.argv[4:])))
        return
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("which", nargs="*", choices=[*MEASURES, []], help="all by default")
    chosen = arguments.parse_args().which or list(MEASURES)
    print(machine(), flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            for line in MEASURES[name](Path(temporary)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
