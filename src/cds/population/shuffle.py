"""Lines of an export → buckets on disk, each with all lines of its patients: what does not fit in memory is sorted."""

from __future__ import annotations

import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from isal import igzip

from cds.parallel import run_in_processes
from cds.population.export import Export, ExportFile, open_gzip, opened
from cds.population.index_days import DecisionDay
from cds.population.lines import BOM, MOST_REMEMBERED, LineUse, SortedLine, sort_line
from cds.population.patient import ExportedTypes, PatientLines
from cds.record.fhir import READ_TYPES

BUCKETS = 64
MOST_NAMED = 1_000  # faults that are named; more are counted
SEPARATOR = b"\t"
DAY = b"@day"  # in place of a type: a day to decide for
BATCH = 64_000_000  # bytes of files that are sorted in one go: what is done twice after a run was ended
MOST_BATCHES = 64
FOUND = "found.msgpack"
WRITTEN_AT_ONCE = 65_536  # bytes of a bucket that wait to be compressed together


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """
    How much is held in memory.

    Attributes:
        memory: Bytes of lines that a process holds at once; one patient's lines are never divided.
        most_resources: Lines of one patient beyond which they are not read.
    """

    memory: int = sys.maxsize
    most_resources: int = sys.maxsize


class Shuffled(msgspec.Struct):
    """
    What the first pass over an export found, or over some of its files.

    Attributes:
        folder: Where the buckets are, "" while nothing was sorted.
        files: Names of the files of the export, by the number buckets know them by.
        types: Types that were met.
        medications: Id → Medication, for the orders that name one.
        requests: Number of a file → lines that are a Bundle or request each, a patient of its own; [0] where the whole
            file is one.
        faults: "file:line what" of the first lines that could not be used; never their text.
        bad_lines: How many there are in all.
        not_read: Owner → types with a line that could not be read.
        in_part: Types with a line that could not be read, and nothing says whose it was.
        no_patient: Type → lines of types that belong to no patient.
        bases: Address of a server → how many references name it.
        sizes: Bytes of each bucket.
        days_of_bodies: Place of a Bundle or request → days to decide for.
    """

    folder: str = ""
    files: tuple[str, ...] = ()
    types: set[str] = set()
    medications: dict[bytes, bytes] = {}
    requests: dict[int, list[int]] = {}
    faults: list[str] = []
    bad_lines: int = 0
    not_read: dict[str, set[str]] = {}
    in_part: set[str] = set()
    no_patient: dict[str, int] = {}
    bases: dict[str, int] = {}
    sizes: list[int] = []
    days_of_bodies: dict[str, list[DecisionDay]] = {}

    def buckets(self) -> list[int]:
        """The numbers of buckets with something in them."""
        return [number for number, size in enumerate(self.sizes) if size]

    def add(self, read: SortedLine, where: str, line: bytes = b"", count: int = 1) -> None:
        """Take note of a line, or of as many like it."""
        if read.use in {LineUse.PATIENT, LineUse.MEDICATION}:
            self.types.add(read.kind)
            if read.server:
                self.bases[read.server] = self.bases.get(read.server, 0) + count
            if read.use is LineUse.MEDICATION:
                self.medications[read.owner.encode()] = line
        elif read.use is LineUse.NOBODY:
            self.no_patient[read.kind] = self.no_patient.get(read.kind, 0) + count
        elif read.use is LineUse.FAULT:
            self.fault(where, read.fault, read.lost, read.owner)

    def fault(self, where: str, what: str, lost: tuple[str, ...], owner: str = "") -> None:
        """Count what could not be used, and what is not known whole without it."""
        self.bad_lines += 1
        if len(self.faults) < MOST_NAMED:
            self.faults.append(f"{where} {what}")
        if owner:
            self.not_read.setdefault(owner, set()).update(lost)
        else:
            self.in_part.update(lost)

    def absorb(self, other: Shuffled) -> None:
        """Take over what was found in other files."""
        self.types |= other.types
        self.medications |= other.medications
        self.requests |= other.requests
        self.faults = [*self.faults, *other.faults][:MOST_NAMED]
        self.bad_lines += other.bad_lines
        for owner, lost in other.not_read.items():
            self.not_read.setdefault(owner, set()).update(lost)
        self.in_part |= other.in_part
        self.no_patient = dict(sorted((Counter(self.no_patient) + Counter(other.no_patient)).items()))
        self.bases = dict(Counter(self.bases) + Counter(other.bases))
        self.sizes = [a + b for a, b in zip(self.sizes, other.sizes, strict=True)]


def shuffle(
    export: Export,
    folder: Path,
    days: Mapping[str, list[DecisionDay]] | None = None,
    jobs: int | None = 1,
    say: Callable[[int, int], None] = lambda *_: None,
) -> Shuffled:
    """
    Read every line once, and write it into the bucket of its patient. Memory does not grow with the export.

    `days` are patients as rows name them, with the days to decide for. Batches of files that were sorted into this
    folder before are not read again. `say` is told bytes done, of how many.
    """
    found = Shuffled(folder=str(folder), files=tuple(file.name for file in export.files), sizes=[0] * BUCKETS)
    deleted = deleted_in(export, found)
    batches = _batches(export.files)
    sizes = [sum(export.files[number].path.stat().st_size for number in batch) for batch in batches]
    work = partial(_sort_batch, export, deleted, folder)
    done = 0
    say(done, sum(sizes))
    for size, part in zip(sizes, run_in_processes(work, list(enumerate(batches)), jobs), strict=True):
        found.absorb(msgspec.msgpack.decode((part / FOUND).read_bytes(), type=Shuffled))
        done += size
        say(done, sum(sizes))
    for file in export.errors:
        found.in_part |= {file.type} if file.type else export.types
    if days is not None:
        _sort_days(days, export, found)
    return found


def _batches(files: tuple[ExportFile, ...]) -> list[range]:
    """Numbers of files that are sorted together: as many bytes, whatever the number of processes."""
    sizes = [file.path.stat().st_size for file in files]
    most = max(BATCH, sum(sizes) // MOST_BATCHES)
    batches, start, held = [], 0, 0
    for number, size in enumerate(sizes):
        if held and held + size > most:
            batches.append(range(start, number))
            start, held = number, 0
        held += size
    return [*batches, range(start, len(files))]


def _sort_batch(
    export: Export, deleted: frozenset[tuple[str, str]], folder: Path, batch: tuple[int, range]
) -> Path:  # fmt: skip
    """Sort some files into a folder of their own, which is there whole, or not at all; give it."""
    number, files = batch
    part = folder / f"part-{number:04}"
    if part.is_dir():
        return part
    making = folder / f".part-{number:04}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    found = Shuffled(sizes=[0] * BUCKETS)
    of_patient = LineUse.PATIENT
    with _Buckets(making, found.sizes) as buckets:
        for file_number in files:
            file = export.files[file_number]
            if not file.lines:
                found.requests[file_number] = [0]
                continue
            for line_number, line in _lines_of(file, found):
                read = sort_line(line, deleted)
                if read.use is of_patient:
                    found.types.add(read.kind)
                    if read.server:
                        found.bases[read.server] = found.bases.get(read.server, 0) + 1
                    digest, owned = _owned_by(read.owner, read.kind)
                    buckets.write(digest % BUCKETS, b"%b%d:%d\t%b\n" % (owned, file_number, line_number, line))
                elif read.use is LineUse.BODY:
                    found.requests.setdefault(file_number, []).append(line_number)
                else:
                    found.add(read, f"{file.name}:{line_number}", line)
    (making / FOUND).write_bytes(msgspec.msgpack.encode(found))
    making.rename(part)
    return part


class _Buckets:
    """The files of all buckets, open to be written; what waits for one is compressed together."""

    def __init__(self, folder: Path, sizes: list[int]) -> None:
        self._folder = folder
        self._sizes = sizes  # bytes of each, counted up
        self._waiting: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self._bytes_waiting = [0] * BUCKETS
        self._open = ExitStack()

    def __enter__(self) -> _Buckets:
        with ExitStack() as stack:
            self._files = [
                stack.enter_context(open_gzip(self._folder / _bucket_name(one), "wb")) for one in range(BUCKETS)
            ]
            self._open = stack.pop_all()
        return self

    def write(self, bucket: int, text: bytes) -> None:
        """Put whole lines into a bucket."""
        self._waiting[bucket].append(text)
        self._bytes_waiting[bucket] = waiting = self._bytes_waiting[bucket] + len(text)
        if waiting >= WRITTEN_AT_ONCE:
            self._compress(bucket)

    def _compress(self, bucket: int) -> None:
        self._files[bucket].write(b"".join(self._waiting[bucket]))
        self._sizes[bucket] += self._bytes_waiting[bucket]
        self._waiting[bucket].clear()
        self._bytes_waiting[bucket] = 0

    def __exit__(self, *_: object) -> None:
        with self._open:
            for bucket in range(BUCKETS):
                self._compress(bucket)


@lru_cache(MOST_REMEMBERED)
def _owned_by(owner: str, kind: str) -> tuple[int, bytes]:
    """What tells the bucket of a patient's line, and what stands before the line there."""
    return _digest_of(owner), SEPARATOR.join((owner.encode(), kind.encode(), b""))


def _sort_days(days: Mapping[str, list[DecisionDay]], export: Export, found: Shuffled) -> None:
    """Days go to the lines of their patient; those of Bundles and requests are few, and kept."""
    bodies = {export.files[file].place_of(line) for file, lines in found.requests.items() for line in lines}
    folder = Path(found.folder) / "part-days"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with _Buckets(folder, found.sizes) as buckets:
        for patient, chosen in days.items():
            if patient in bodies:
                found.days_of_bodies[patient] = chosen
                continue
            bucket = bucket_number(patient)
            text = b"".join(
                SEPARATOR.join((patient.encode(), DAY, str(one.line).encode(), one.day.isoformat().encode())) + b"\n"
                for one in chosen
            )
            buckets.write(bucket, text)


def _lines_of(file: ExportFile, found: Shuffled) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with opened(file) as reading:
            for number, line in enumerate(reading, start=1):
                if text := line.strip().removeprefix(BOM):
                    yield number, text
    except (OSError, EOFError, zlib.error, igzip.BadGzipFile):
        lost = (file.type,) if file.type else tuple(READ_TYPES)
        found.fault(f"{file.name}:{number + 1}", "the file cannot be read further", lost)


def bucket_number(owner: str) -> int:
    """The bucket with the lines of a patient, if there are any."""
    return _digest_of(owner) % BUCKETS


def _digest_of(owner: str) -> int:
    return zlib.crc32(owner.encode())


def _bucket_name(number: int) -> str:
    return f"bucket-{number:02}.gz"


class DeletedEntry(msgspec.Struct):
    """An entry of a Bundle of deletions."""

    request: dict[str, str] | None = None


class DeletedBundle(msgspec.Struct):
    """A line of a file of deletions (Bulk Data Access IG)."""

    entry: list[DeletedEntry] | None = None


def deleted_in(export: Export, found: Shuffled) -> frozenset[tuple[str, str]]:
    """Type and id of what was deleted since. A line of it that cannot be read may be of any type."""
    gone = set()
    for file in export.deleted:
        for number, line in _lines_of(file, found):
            try:
                read = msgspec.json.decode(line, type=DeletedBundle)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found.fault(f"{file.name}:{number}", "is not a Bundle in one line of JSON", tuple(READ_TYPES))
                continue
            for entry in read.entry or ():
                parts = (entry.request or {}).get("url", "").split("/")
                if len(parts) >= 2:
                    gone.add((parts[-2], parts[-1]))
    return frozenset(gone)


def exported_types(export: Export, found: Shuffled) -> ExportedTypes:
    """What holds for every patient, once all lines were seen."""
    base = export.base or max(found.bases, key=lambda server: (found.bases[server], server), default="")
    return ExportedTypes(
        frozenset(export.types | found.types), export.narrowed, frozenset(found.in_part), base, found.medications
    )


def patients_of(found: Shuffled, bucket: int, limits: ReadLimits) -> Iterator[PatientLines]:
    """
    The patients of a bucket, sorted by id. Lines keep their bytes; copies of one resource are kept.

    A bucket above the limit of memory is divided by patient first. A patient with too many lines comes without them. A
    patient of whom nothing but days to decide for is there comes, too, with no line.
    """
    if found.sizes[bucket] <= limits.memory:
        yield from _patients_in(_lines_in(found, bucket), found, limits)
        return
    lines: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for line in _lines_in(found, bucket):
        owner = line[: line.index(SEPARATOR)].decode()
        lines[owner] += 1
        sizes[owner] += len(line)
    with TemporaryDirectory(prefix=".split-", dir=found.folder) as folder:
        group_of: dict[bytes, int] = {}
        group, held = 0, 0
        for owner in sorted(sizes):
            size = 0 if lines[owner] > limits.most_resources else sizes[owner]
            if held and held + size > limits.memory:
                group, held = group + 1, 0
            held += size
            group_of[owner.encode()] = group
        files = [Path(folder) / f"{number}.gz" for number in range(group + 1)]
        for start in range(0, len(files), BUCKETS):  # so many files are open at once
            with ExitStack() as stack:
                open_files = [stack.enter_context(open_gzip(file, "wb")) for file in files[start : start + BUCKETS]]
                for line in _lines_in(found, bucket):
                    number = group_of[line[: line.index(SEPARATOR)]] - start
                    if 0 <= number < len(open_files):
                        open_files[number].write(line)
        for file in files:
            with open_gzip(file, "rb") as reading:
                yield from _patients_in(iter(reading), found, limits)
            file.unlink()


def _lines_in(found: Shuffled, bucket: int) -> Iterator[bytes]:
    for part in sorted(Path(found.folder).glob("part-*")):
        with open_gzip(part / _bucket_name(bucket), "rb") as reading:
            yield from reading


def _patients_in(lines: Iterator[bytes], found: Shuffled, limits: ReadLimits) -> list[PatientLines]:
    patients: dict[bytes, PatientLines] = {}
    last, patient = b"", PatientLines("", "")
    for line in lines:
        owner, kind, place, resource = line.split(SEPARATOR, 3)
        if owner != last:
            last, known = owner, patients.get(owner)
            patient = known or PatientLines(owner.decode(), owner.decode())
            patients[owner] = patient
        if kind == DAY:
            patient.days.append(DecisionDay.read(resource[:-1].decode(), int(place)))
            continue
        if kind == b"Patient" or not patient.resources:
            number, _, line_number = place.decode().partition(":")
            patient.name = f"{found.files[int(number)]}:{line_number}"
        patient.add(kind.decode(), resource[:-1], limits.most_resources)
    for patient in patients.values():
        patient.not_read |= found.not_read.get(patient.id, set())
    return [patients[owner] for owner in sorted(patients)]
