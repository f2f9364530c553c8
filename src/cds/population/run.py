"""An export and rules → rows on disk, bucket by bucket: what was done stays done, whatever ends the run."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cds import __version__
from cds.parallel import collecting_seldom, run_in_processes
from cds.population.cohort import Cohort
from cds.population.columns import Column
from cds.population.export import Export, ExportError, ExportFile, find_export
from cds.population.index_days import DecisionDay
from cds.population.patient import CohortPatient
from cds.population.row import TOO_LARGE
from cds.population.row_files import NDJSON, refuse_missing_parquet, rows_in_file, whole_file, writing_rows
from cds.population.shuffle import BUCKETS, MOST_NAMED, ReadLimits, Shuffled, patients_of, shuffle

RUN, ROWS, SPILL, TALLIES, DONE = "run.json", "rows", "spill", "tallies", "summary.json"
MODE_FOLDER = 0o700
GIGABYTE = 1_000_000_000


class RowMaker(Protocol):
    """What makes the rows of a patient."""

    @property
    def version(self) -> str:
        """What rules they are made with."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a row may hold."""

    def rows_of(self, patient: CohortPatient, days: Iterable[date], today: date) -> Iterator[dict[str, Any]]:
        """A row for each day, with `patient`, `as_of`, `outcome` and, where it is not decided, `why`."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """
    How a run is made.

    Attributes:
        as_of: The day decided for, or patients with the days of each; what was charted after a day is not seen.
        today: The day the run is made on: as of that day, nothing is left out.
        exported: Types that were exported besides those with a file.
        accept_bad: Lines that may be unreadable before the run counts as failed.
        jobs: Processes; None: as many as processors.
        form: The format of the rows.
        memory: Bytes of the export that are held in memory at once, by all processes together.
        most_resources: Lines of one patient beyond which the patient is refused as too large.
    """

    as_of: date | dict[str, list[DecisionDay]]
    today: date
    exported: tuple[str, ...] = ()
    accept_bad: int = 0
    jobs: int | None = None
    form: str = NDJSON
    memory: int = GIGABYTE
    most_resources: int = 50_000

    @property
    def index_days(self) -> dict[str, list[DecisionDay]] | None:
        """The days of each patient, None where one day is that of all."""
        return self.as_of if isinstance(self.as_of, dict) else None

    @property
    def limits(self) -> ReadLimits:
        """How much a process holds in memory."""
        return ReadLimits(self.memory // (self.jobs or os.cpu_count() or 1), self.most_resources)


class BucketTally(msgspec.Struct):
    """
    What one bucket came to.

    Attributes:
        patients: Patients met that have a row.
        outcomes: decided, refused, failed → rows.
        too_large: Rows refused since the patient has more resources than are read.
        first, last: The first and the last day decided for; "" without a row.
        without_day: Patients of the export that the file of index days does not name.
        not_found: Lines of that file that name nobody of this bucket.
    """

    patients: int = 0
    outcomes: dict[str, int] = {}
    too_large: int = 0
    first: str = ""
    last: str = ""
    without_day: int = 0
    not_found: list[int] = []

    def count(self, row: dict[str, Any]) -> None:
        """Count a row."""
        self.outcomes[row["outcome"]] = self.outcomes.get(row["outcome"], 0) + 1
        self.too_large += row.get("why", "").startswith(TOO_LARGE)
        self.first = min(filter(None, (self.first, row["as_of"])))
        self.last = max(self.last, row["as_of"])

    def absorb(self, other: BucketTally) -> None:
        """Add what another came to."""
        self.patients += other.patients
        self.outcomes = dict(sorted((Counter(self.outcomes) + Counter(other.outcomes)).items()))
        self.too_large += other.too_large
        self.first = min(filter(None, (self.first, other.first)), default="")
        self.last = max(self.last, other.last)
        self.without_day += other.without_day
        self.not_found += other.not_found


class RunSummary(msgspec.Struct, frozen=True):
    """
    What a run came to; kept beside its rows.

    Attributes:
        identity: Digest of rules, program, days, options and the inputs' names, sizes and bytes.
        as_of: The day decided for; with index days, the last of them.
        first_day: With index days, the first of them; else "".
        patients: Patients met that have a row, or with index days several.
        outcomes: decided, refused, failed → rows.
        too_large: Rows refused since the patient has more resources than are read.
        without_day: Patients of the export without an index day: they have no row.
        days_not_found: Lines of the file of index days that name no patient of the export; first of them by number.
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
    first_day: str = ""
    too_large: int = 0
    without_day: int = 0
    days_not_found: int = 0
    lines_not_found: list[int] = []

    def is_whole(self, accept_bad: int) -> bool:
        """Whether every line was used (but for `accept_bad` of them), every index day too, and no decision failed."""
        return self.bad_lines <= accept_bad and not self.days_not_found and not self.outcomes.get("failed")

    @property
    def has_several_days(self) -> bool:
        """Whether some patient has several rows."""
        return sum(self.outcomes.values()) > self.patients


@dataclass(slots=True)
class RunProgress:
    """What is told while a run goes on: stage, bytes done and of how many, patients with rows, lines not read."""

    say: Callable[[str, int, int, int, int], None] = field(default=lambda *_: None)


@collecting_seldom()
def run_population(
    maker: RowMaker, place: Path, out: Path, options: RunOptions, progress: RunProgress
) -> RunSummary:  # fmt: skip
    """
    Decide for every patient of an export; rows go to OUT/rows, a file a bucket, sorted by patient and day.

    A run that was ended goes on where it was: what was sorted and each bucket's file are there whole, or not at all.
    The same inputs, rules and options give the same bytes, whatever the number of processes and the memory.

    Raises:
        ExportError: The export cannot be used, or OUT holds another run.
    """
    refuse_missing_parquet(options.form)
    export = find_export(place, options.exported)
    identity = run_identity(maker, options, [f"{one.name} {_digest_of(one.path)}" for one in _inputs(export)])
    claim(out, identity)
    if (out / DONE).is_file():
        return summary_of(out)
    spill = out / SPILL
    for folder in (out / ROWS, out / TALLIES, spill):
        folder.mkdir(mode=MODE_FOLDER, exist_ok=True)
    found = shuffle(
        export, spill, options.index_days, options.jobs, lambda done, of: progress.say("sorting", done, of, 0, 0)
    )
    tally = _decide_all(maker, Cohort(export, found, options.limits), out, options, progress)
    summary = summary_from(identity, maker.version, tally, export, found, options)
    finish(out, summary)
    return summary


def _decide_all(
    maker: RowMaker, cohort: Cohort, out: Path, options: RunOptions, progress: RunProgress
) -> BucketTally:  # fmt: skip
    found = cohort.found
    shares = min(BUCKETS, len(found.requests))
    work: list[int | range] = [
        *found.buckets(),
        *(range(share, len(found.requests), shares) for share in range(shares)),
    ]
    sizes = [found.sizes[one] if isinstance(one, int) else _size_of(cohort, one) for one in work]
    tally = BucketTally()
    done = 0
    progress.say("deciding", 0, sum(sizes), 0, found.bad_lines)
    decided = run_in_processes(partial(_decide_bucket, maker, cohort, out, options), work, options.jobs)
    for size, bucket in zip(sizes, decided, strict=True):
        tally.absorb(bucket)
        done += size
        progress.say("deciding", done, sum(sizes), tally.patients, found.bad_lines)
    return tally


def _size_of(cohort: Cohort, share: range) -> int:
    numbers = sorted(cohort.found.requests)[share.start :: share.step]
    return sum(cohort.export.files[number].path.stat().st_size for number in numbers)


def _decide_bucket(maker: RowMaker, cohort: Cohort, out: Path, options: RunOptions, bucket: int | range) -> BucketTally:
    """Decide one bucket, or each so many-th file of Bundles, unless its rows are there; give what it came to."""
    name = name_of_bucket(bucket) if isinstance(bucket, int) else name_of_share(bucket.start)
    file, counted = out / ROWS / f"{name}.{options.form}", out / TALLIES / f"{name}.json"
    if counted.is_file():
        tally = msgspec.json.decode(counted.read_bytes(), type=BucketTally)
        if file.is_file() or not tally.patients:
            return tally
    tally = BucketTally()
    with writing_rows(file, maker.columns, lambda: write_whole(counted, msgspec.json.encode(tally))) as write:
        for patient, days in _patients(bucket, cohort, options, tally):
            tally.patients += 1
            for row in maker.rows_of(patient, days, options.today):
                tally.count(row)
                write(row)
    return tally


def name_of_bucket(bucket: int) -> str:
    """The file, without its suffix, with the rows of a bucket."""
    return f"bucket-{bucket:02}"


def name_of_share(share: int) -> str:
    """The file, without its suffix, with the rows of a share of the files of Bundles and requests."""
    return f"bundles-{share:02}"


def _patients(
    bucket: int | range, cohort: Cohort, options: RunOptions, tally: BucketTally
) -> Iterator[tuple[CohortPatient, list[date]]]:
    """Who has a day to be decided for, with all such days; the others are counted."""
    one_day = [options.as_of] if isinstance(options.as_of, date) else []
    if isinstance(bucket, range):
        for patient in cohort.whole_bodies(bucket.start, bucket.step):
            if days := one_day or [one.day for one in cohort.found.days_of_bodies.get(patient.id, ())]:
                yield patient, days
            else:
                tally.without_day += 1
        return
    for lines in patients_of(cohort.found, bucket, cohort.limits):
        if not lines.resources:
            tally.not_found += [one.line for one in lines.days]
        elif days := one_day or [one.day for one in lines.days]:
            yield cohort.patient(lines), days
        else:
            tally.without_day += 1


def summary_from(
    identity: str, rules: str, tally: BucketTally, export: Export, found: Shuffled, options: RunOptions
) -> RunSummary:
    """What a run came to, from what its buckets did."""
    of_all = options.index_days is None
    as_of = options.as_of.isoformat() if isinstance(options.as_of, date) else tally.last
    no_patient = (f"{kind}: {lines} line(s) of no patient" for kind, lines in found.no_patient.items())
    return RunSummary(
        identity,
        rules,
        __version__,
        as_of or options.today.isoformat(),
        tally.patients,
        tally.outcomes,
        found.bad_lines,
        found.faults,
        sorted(export.types | found.types),
        sorted(found.in_part),
        [*export.passed_over, *no_patient],
        "" if of_all else tally.first,
        tally.too_large,
        tally.without_day,
        len(tally.not_found),
        sorted(tally.not_found)[:MOST_NAMED],
    )


def finish(out: Path, summary: RunSummary) -> None:
    """Write what a run came to, and remove what only its way there needed."""
    write_whole(out / DONE, msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    for folder in (SPILL, TALLIES):
        shutil.rmtree(out / folder, ignore_errors=True)


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
    The rows of a finished run, bucket by bucket; the same for every format.

    Raises:
        ExportError: OUT holds no finished run, or its format needs what is not installed.
    """
    summary_of(out)
    for file in sorted((out / ROWS).iterdir()):
        yield from rows_in_file(file)


def _inputs(export: Export) -> tuple[ExportFile, ...]:
    return (*export.files, *export.deleted, *export.errors)


def _digest_of(file: Path) -> str:
    with file.open("rb") as reading:
        return hashlib.file_digest(reading, "sha256").hexdigest()


def run_identity(maker: RowMaker, options: RunOptions, inputs: Iterable[str]) -> str:
    """A digest of all that rows depend on: rules, program, days, options, and what tells the inputs apart."""
    digest = hashlib.sha256()
    days = options.index_days
    named = [f"{who} {one.day}" for who, chosen in sorted(days.items()) for one in chosen] if days else [options.as_of]
    limits = f"most resources {options.most_resources}"
    columns = " ".join(column.name for column in maker.columns)
    for part in (
        *(maker.version, __version__, columns, options.today, options.form, limits, *named),
        *options.exported,
        *inputs,
    ):
        digest.update(f"{part}\0".encode())
    return digest.hexdigest()[:32]


def claim(out: Path, identity: str) -> None:
    """
    Take OUT for a run, or go on with it.

    Raises:
        ExportError: OUT is another run's, or not empty.
    """
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
    write_whole(mark, f"{identity}\n".encode())


def write_whole(file: Path, content: bytes) -> None:
    """Whole, or not at all."""
    with whole_file(file) as writing:
        writing.write(content)
