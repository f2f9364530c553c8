"""A population run on Spark, for what one machine does not hold: the same functions sort lines and make rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from cds.population.export import Export, ExportError, find_export
from cds.population.index_days import DecisionDay
from cds.population.lines import BOM, LineUse, SortedLine, sort_line
from cds.population.patient import CohortPatient, ExportedTypes, PatientLines, bundle_of
from cds.population.row import DecisionRows
from cds.population.row_files import writing_rows
from cds.population.run import ROWS, BucketTally, RunOptions, RunSummary, claim, finish, run_identity, summary_from
from cds.population.shuffle import BUCKETS, DAY, Shuffled, deleted_in, exported_types
from cds.ruleset import load_rules
from cds.settings import Settings

SORTED = "use string, kind string, owner string, server string, fault string, lost array<string>, file string, "
SORTED += "block long, number long, line binary"
MADE = "patient string, as_of string, row binary"
FILE_MODE = 0o600
_MADE_BY: dict[SentRules, DecisionRows] = {}  # what an executor's process has loaded


@dataclass(frozen=True)
class SentRules:
    """
    Rules on their way to executors, which need no file of them.

    Attributes:
        files: Every file of the folder of rules: name and bytes.
        day: The day the rules are checked for.
        definitions: Published definitions to decide.
        limits: Most entries of a patient, and how deep JSON may nest.
        with_race: Rows hold race and ethnicity.
    """

    files: tuple[tuple[str, bytes], ...]
    day: date
    definitions: tuple[str, ...]
    limits: tuple[int, int]
    with_race: bool = False

    @classmethod
    def of(cls, folder: Path, day: date, definitions: Iterable[str], settings: Settings, with_race: bool) -> SentRules:
        """The rules of a folder; of the settings only what limits reading."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        found = ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths)
        limits = (settings.most_entries, settings.max_json_depth)
        return cls(tuple(found), day, tuple(definitions), limits, with_race)

    def rows(self) -> DecisionRows:
        """What makes rows, loaded once in each process."""
        if self not in _MADE_BY:
            with TemporaryDirectory(prefix="cds-rules-") as folder:
                for name, content in self.files:
                    file = Path(folder, name)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
                rules = load_rules(Path(folder), None, self.day, self.definitions, cohorts=True)
            settings = Settings(most_entries=self.limits[0], max_json_depth=self.limits[1])
            _MADE_BY[self] = DecisionRows(rules, settings, self.with_race)
        return _MADE_BY[self]


def run_on_spark(spark: SparkSession, sent: SentRules, place: str, out: Path, options: RunOptions) -> RunSummary:
    """
    The rows of run_population, byte for byte, made by the executors of a session; the driver writes them to OUT.

    `place` is a folder of NDJSON that Spark reads: one that all executors see, s3://, abfss://, gs://. A run that was
    ended begins again: what an executor lost, Spark repeats.

    Raises:
        ExportError: The export cannot be used or holds Bundles or requests, or OUT holds another run.
    """
    listed = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(place)
    files = {_name(path, place): path for path in listed.inputFiles()}  # empty ones, too, which a query leaves out
    with TemporaryDirectory(prefix="cds-export-") as folder:
        export = _export_of(listed, files, place, Path(folder), options)
        found = Shuffled(files=tuple(file.name for file in export.files), sizes=[0] * BUCKETS)
        deleted = deleted_in(export, found)
    told = listed.drop("content").orderBy("path").collect()
    inputs = [*sorted(files), *(f"{_name(one.path, place)} {one.length} {one.modificationTime}" for one in told)]
    maker = sent.rows()
    identity = run_identity(maker, options, inputs)
    claim(out, identity)
    (out / ROWS).mkdir(exist_ok=True)
    text = spark.read.option("lineSep", "\n").text([files[name] for name in found.files])
    where = (sql.col("_metadata.file_path").alias("file"), sql.col("_metadata.file_block_start").alias("block"))
    lines = text.select(sql.col("value").cast("binary").alias("line"), *where)
    lines = lines.mapInArrow(partial(_sort, place, deleted), SORTED).persist(StorageLevel.DISK_ONLY)
    _note(lines, found, export)
    of_patients = lines.where(sql.col("use") == LineUse.PATIENT.value).select("owner", "kind", "line")
    days = options.index_days or {}
    chosen = [(who, DAY.decode(), f"{one.line} {one.day}".encode()) for who, many in days.items() for one in many]
    of_patients = of_patients.union(spark.createDataFrame(chosen, "owner string, kind string, line binary"))
    making = partial(_make, sent, options, exported_types(export, found), found.not_read)
    made = of_patients.repartition("owner").sortWithinPartitions("owner").mapInArrow(making, MADE)
    bucket = (sql.crc32(sql.col("patient").cast("binary")) % BUCKETS).alias("bucket")
    made = made.select(bucket, "*").repartition("bucket").sortWithinPartitions("bucket", "patient", "as_of")
    tally = _write(made.persist(StorageLevel.DISK_ONLY), maker, out, options)
    summary = summary_from(identity, maker.version, tally, export, found, options)
    finish(out, summary)
    return summary


def _name(path: str, place: str) -> str:
    return unquote(path).partition(place.rstrip("/") + "/")[2]


def _export_of(listed: DataFrame, names: Iterable[str], place: str, folder: Path, options: RunOptions) -> Export:
    """What the export says of itself, from its names and manifests: the driver reads no file of patients."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch(FILE_MODE)
    small = ~sql.col("path").rlike(r"\.ndjson(\.gz)?$") | sql.col("path").contains("/deleted/")
    for one in listed.where(small).select("path", "content").toLocalIterator():
        (folder / _name(one.path, place)).write_bytes(one.content)
    export = find_export(folder, options.exported)
    if bodies := [file.name for file in export.files if not file.lines]:
        raise ExportError(f"{bodies[0]}: Spark reads NDJSON of resources; decide for Bundles and requests without it")
    return export


def _sort(
    place: str, deleted: frozenset[tuple[str, str]], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Whose each line is, with its number in its block of its file."""
    numbers: dict[tuple[str, int], int] = {}
    for batch in batches:
        rows = []
        for line, file, block in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            numbers[file, block] = number = numbers.get((file, block), 0) + 1
            text = line.strip().removeprefix(BOM)
            read = sort_line(text, deleted) if text else SortedLine(LineUse.PASSED_OVER)
            kept = text if read.use in {LineUse.PATIENT, LineUse.MEDICATION} else b""
            rows.append((*read, _name(file, place), block, number, kept))
        yield _batch(rows, SORTED)


def _note(lines: DataFrame, found: Shuffled, export: Export) -> None:
    """What the lines say of the export as a whole; faults by file and line, in the order of the files."""
    blocks = lines.groupBy("file", "block").count().orderBy("file", "block").collect()
    before: dict[tuple[str, int], int] = {}
    for file, of_file in groupby(blocks, key=itemgetter("file")):
        start = 0
        for block in of_file:
            before[file, block["block"]] = start
            start += block["count"]
    kinds = lines.where("use in ('patient', 'nobody')").groupBy("use", "kind", "server").count().collect()
    for one in sorted(kinds, key=itemgetter("kind", "server")):
        found.add(SortedLine(LineUse(one.use), one.kind, server=one.server), "", count=one["count"])
    order = {name: number for number, name in enumerate(found.files)}
    singles = lines.where("use in ('medication', 'fault', 'body')").collect()
    for one in sorted(singles, key=lambda one: (order[one.file], one.block, one.number)):
        where = f"{one.file}:{before[one.file, one.block] + one.number}"
        if one.use == LineUse.BODY.value:
            raise ExportError(f"{where}: Spark reads NDJSON of resources; decide for Bundles and requests without it")
        read = SortedLine(LineUse(one.use), one.kind, one.owner, one.server, one.fault, tuple(one.lost))
        found.add(read, where, bytes(one.line))
    for file in export.errors:
        found.in_part |= {file.type} if file.type else export.types


def _make(
    sent: SentRules,
    options: RunOptions,
    types: ExportedTypes,
    not_read: dict[str, set[str]],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """The rows of each patient: one in memory at a time, and none of the lines of one who has too many."""
    maker = sent.rows()
    lines = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for owner, own in groupby(lines, key=itemgetter(0)):
        patient = PatientLines(owner, owner, not_read=not_read.get(owner, set()))
        for _, kind, line in own:
            if kind == DAY.decode():
                number, day = line.decode().split()
                patient.days.append(DecisionDay.read(day, int(number)))
            else:
                patient.add(kind, line, options.most_resources)
        days = [options.as_of] if isinstance(options.as_of, date) else sorted(one.day for one in patient.days)
        if not patient.resources:
            told = [("", "", msgspec.json.encode([one.line for one in patient.days]))]
        elif not days:
            told = [("", "", b"")]
        else:
            one = CohortPatient(owner, owner, partial(bundle_of, patient, types))
            rows = maker.rows_of(one, days, options.today)
            told = [(owner, row["as_of"], msgspec.json.encode(row)) for row in rows]
        yield _batch(told, MADE)


def _write(made: DataFrame, maker: DecisionRows, out: Path, options: RunOptions) -> BucketTally:
    """Rows into the files a local run makes of them, and what they came to."""
    tally = BucketTally()
    made.count()  # by all executors at once; what follows asks for one partition after the other
    for bucket, rows in groupby(made.toLocalIterator(prefetchPartitions=True), key=itemgetter("bucket")):
        file = out / ROWS / f"bucket-{bucket:02}.{options.form}"
        last = ""
        with writing_rows(file, maker.columns, lambda: None) as write:
            for one in rows:
                if not one.patient:
                    tally.without_day += not one.row
                    tally.not_found += msgspec.json.decode(one.row) if one.row else []
                    continue
                row = msgspec.json.decode(one.row)
                tally.patients += one.patient != last
                last = one.patient
                tally.count(row)
                write(row)
    tally.outcomes = dict(sorted(tally.outcomes.items()))
    return tally


def _batch(rows: list[tuple[Any, ...]], schema: str) -> pa.RecordBatch:
    types = {"string": pa.string(), "long": pa.int64(), "binary": pa.binary(), "array<string>": pa.list_(pa.string())}
    fields = [(name, types[kind]) for name, kind in (one.split() for one in schema.split(", "))]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in fields]
    arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
