"""An export and rules → rows on disk, bucket by bucket: what was done stays done, whatever ends the run."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cds import __version__
from cds.decide import Ruleset
from cds.parallel import run_in_processes
from cds.population.cohort import Cohort, CohortPatient
from cds.population.export import Export, ExportError, find_export
from cds.population.patient import bundle_of
from cds.population.row import row_of
from cds.population.shuffle import BUCKETS, Shuffled, exported_types, patients_of, shuffle
from cds.settings import Settings

RUN, ROWS, SPILL, DONE = "run.json", "rows", "spill", "summary.json"
MODE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class RunOptions:
    """
    How a run is made.

    Attributes:
        as_of: The day decided for; what was charted after it is not seen.
        today: The day the run is made on: as of that day, nothing is left out.
        exported: Types that were exported besides those with a file.
        accept_bad: Lines that may be unreadable before the run counts as failed.
        jobs: Processes; None: as many as processors.
        with_race: Rows hold race and ethnicity, for the subgroups of a validation.
    """

    as_of: date
    today: date
    exported: tuple[str, ...] = ()
    accept_bad: int = 0
    jobs: int | None = None
    with_race: bool = False


class RunSummary(msgspec.Struct, frozen=True):
    """
    What a run came to; kept beside its rows.

    Attributes:
        identity: Digest of rules, program, days, options and the inputs' names, sizes and bytes.
        patients: Patients met; each has one row.
        outcomes: decided, refused, failed → rows.
        bad_lines: Lines that could not be read; `faults` names the first of them by file and line.
        exported: Types counted as exported: a patient without one has none.
        in_part: Types not known whole for any patient, since a line of one was lost.
        passed_over: Files and types left unread.
    """

    identity: str
    rules: str
    program: str
    as_of: str
    patients: int = 0
    outcomes: dict[str, int] = {}
    bad_lines: int = 0
    faults: list[str] = []
    exported: list[str] = []
    in_part: list[str] = []
    passed_over: list[str] = []

    def is_whole(self, accept_bad: int) -> bool:
        """Whether every line was used (but for `accept_bad` of them) and no decision failed."""
        return self.bad_lines <= accept_bad and not self.outcomes.get("failed")


@dataclass(slots=True)
class RunProgress:
    """What is told while a run goes on."""

    say: Callable[[str, int, int], None] = field(default=lambda *_: None)  # stage, done, of


def run_population(
    rules: Ruleset, settings: Settings, place: Path, out: Path, options: RunOptions, progress: RunProgress
) -> RunSummary:
    """
    Decide for every patient of an export; rows go to OUT/rows, one NDJSON file a bucket, sorted by patient.

    A run that was ended goes on where it was: a bucket's file is there whole, or not at all. The same inputs, rules and
    options give the same bytes, whatever the number of processes.

    Raises:
        ExportError: The export cannot be used, or OUT holds another run.
    """
    export = find_export(place, options.exported)
    identity = _identity(rules, export, options)
    _claim(out, identity)
    rows, spill = out / ROWS, out / SPILL
    rows.mkdir(exist_ok=True)
    shutil.rmtree(spill, ignore_errors=True)  # of a run that was ended while it sorted
    spill.mkdir(mode=MODE_FOLDER)
    progress.say("sorting", 0, 1)
    found = shuffle(export, spill)
    shares = min(BUCKETS, len(found.requests))
    buckets: list[Path | range] = [
        *found.buckets(),
        *(range(share, len(found.requests), shares) for share in range(shares)),
    ]
    counts: Counter[str] = Counter()
    work = partial(_decide_bucket, rules, settings, place, export, found, rows, options)
    for done, outcomes in enumerate(run_in_processes(work, buckets, options.jobs), start=1):
        counts.update(outcomes)
        progress.say("deciding", done, len(buckets))
    shutil.rmtree(spill)
    summary = RunSummary(
        identity,
        rules.program.version,
        __version__,
        options.as_of.isoformat(),
        counts.total(),
        dict(sorted(counts.items())),
        found.bad_lines,
        found.faults,
        sorted(export.types | found.types),
        sorted(found.in_part),
        [*export.passed_over, *(f"{kind}: {lines} line(s) of no patient" for kind, lines in found.no_patient.items())],
    )
    _write(out / DONE, msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    return summary


def summary_of(out: Path) -> RunSummary:
    """
    What a finished run came to.

    Raises:
        ExportError: OUT holds no finished run.
    """
    if not (out / DONE).is_file():
        raise ExportError(f"{out}: no finished run is in it; make it with `cds population run`")
    return msgspec.json.decode((out / DONE).read_bytes(), type=RunSummary)


def rows_in(out: Path) -> Iterator[dict[str, Any]]:
    """
    The rows of a finished run, bucket by bucket.

    Raises:
        ExportError: OUT holds no finished run.
    """
    summary_of(out)
    for file in sorted((out / ROWS).glob("*.ndjson")):
        with file.open("rb") as reading:
            for line in reading:
                yield msgspec.json.decode(line)


def _decide_bucket(
    rules: Ruleset,
    settings: Settings,
    place: Path,
    export: Export,
    found: Shuffled,
    rows: Path,
    options: RunOptions,
    bucket: Path | range,
) -> dict[str, int]:
    """Decide one bucket, or each so many-th file of Bundles, unless its rows are there; give its outcomes."""
    name = bucket.name.removesuffix(".gz") if isinstance(bucket, Path) else f"bundles-{bucket.start:02}"
    file = rows / f"{name}.ndjson"
    if file.is_file():
        with file.open("rb") as reading:
            return dict(Counter(msgspec.json.decode(line)["outcome"] for line in reading))
    known_on = options.as_of.isoformat() if options.as_of < options.today else ""
    outcomes: Counter[str] = Counter()
    lines = []
    for patient in _patients(bucket, place, export, found, known_on):
        row = row_of(rules, settings, patient.name, patient.body, options.as_of, options.with_race)
        outcomes[row["outcome"]] += 1
        lines.append(msgspec.json.encode(row) + b"\n")
    if lines:
        _write(file, b"".join(lines))
    return dict(outcomes)


def _patients(
    bucket: Path | range, place: Path, export: Export, found: Shuffled, known_on: str
) -> Iterator[CohortPatient]:
    """Rows name a patient by the id the export gives; Bundles and requests by file and line."""
    if isinstance(bucket, range):
        yield from Cohort(place, export, found).whole_bodies(bucket.start, bucket.step)
        return
    types = exported_types(export, found)
    for patient in patients_of(bucket, found.files, found.not_read):
        yield CohortPatient(patient.id, bundle_of(patient, types, known_on))


def _identity(rules: Ruleset, export: Export, options: RunOptions) -> str:
    digest = hashlib.sha256()
    days, race = (options.as_of, options.today), options.with_race
    for part in (rules.program.version, __version__, *days, race, *options.exported):
        digest.update(f"{part}\0".encode())
    for file in (*export.files, *export.deleted, *export.errors):
        digest.update(f"{file.name}\0{file.path.stat().st_size}\0".encode())
        with file.path.open("rb") as reading:
            digest.update(hashlib.file_digest(reading, "sha256").digest())
    return digest.hexdigest()[:32]


def _claim(out: Path, identity: str) -> None:
    """Take OUT for this run, or go on with it; refuse it where it is another's."""
    out.mkdir(mode=MODE_FOLDER, parents=True, exist_ok=True)
    mark = out / RUN
    if mark.is_file():
        if mark.read_text().strip() != identity:
            raise ExportError(
                f"{out}: it holds another run (other rules, data, day or options); name another folder, or remove it"
            )
        return
    if any(out.iterdir()):
        raise ExportError(f"{out}: it is not empty, and holds no run; name another folder")
    _write(mark, f"{identity}\n".encode())


def _write(file: Path, content: bytes) -> None:
    """Whole, or not at all: written beside its place, then renamed."""
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as writing:
        writing.write(content)
        writing.flush()
        os.fsync(writing.fileno())
    part.rename(file)
