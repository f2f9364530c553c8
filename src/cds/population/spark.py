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

from cds.population.export import Export, ExportFile, body_in, find_export, unpacked
from cds.population.index_days import DecisionDay
from cds.population.lines import BOM, LineUse, SortedLine, sort_line
from cds.population.patient import CohortPatient, ExportedTypes, PatientLines, body_known_on, bundle_of
from cds.population.row import DecisionRows
from cds.population.row_files import writing_rows
from cds.population.run import (
    ROWS,
    BucketTally,
    RunOptions,
    RunSummary,
    claim,
    finish,
    name_of_bucket,
    name_of_share,
    run_identity,
    summary_from,
)
from cds.population.shuffle import BUCKETS, DAY, Shuffled, bucket_number, deleted_in, exported_types
from cds.ruleset import load_rules
from cds.settings import Settings

SORTED = "use string, kind string, owner string, server string, fault string, lost array<string>, file string, "
SORTED += "block long, number long, line binary"
BODIES = "file string, number long, line binary"  # a Bundle or request each
MADE = "into string, place long, number long, patient string, as_of string, row binary"
STUBS = "path string, content binary"
NDJSON_NAME, JSON_NAME = r"\.ndjson(\.gz)?$", r"\.json(\.gz)?$"
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
        ExportError: The export cannot be used, or OUT holds another run.
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
    lines = _lines(spark, [files[file.name] for file in export.files if file.lines], place, deleted)
    before = _note(lines, found, export)
    bodies = _bodies(spark, lines, before, listed, place, export)
    days = _days(options, bodies)
    making = partial(_make, sent, options, exported_types(export, found), found.not_read)
    made = _of_patients(spark, lines, days).mapInArrow(making, MADE)
    if bodies is not None:
        made = made.union(bodies.mapInArrow(partial(_make_of_bodies, sent, options), MADE))
    made = made.repartition("into").sortWithinPartitions("into", "place", "number", "patient", "as_of")
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
    small = ~sql.col("path").rlike(NDJSON_NAME) | sql.col("path").contains("/deleted/")
    for one in listed.where(small).select("path", "content").mapInArrow(_stubs, STUBS).toLocalIterator():
        (folder / _name(one.path, place)).write_bytes(one.content)
    return find_export(folder, options.exported)


def _stubs(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Files without what is of a patient: of a Bundle or request that it is one; all others as they are."""
    for batch in batches:
        yield _batch([(path, body_in(path, content) or content) for path, content in _rows([batch])], STUBS)


def _lines(spark: SparkSession, paths: list[str], place: str, deleted: frozenset[tuple[str, str]]) -> DataFrame:
    """Every line of NDJSON with whose it is."""
    if not paths:
        return spark.createDataFrame([], SORTED)
    text = spark.read.option("lineSep", "\n").text(paths)
    where = (sql.col("_metadata.file_path").alias("file"), sql.col("_metadata.file_block_start").alias("block"))
    lines = text.select(sql.col("value").cast("binary").alias("line"), *where)
    return lines.mapInArrow(partial(_sort, place, deleted), SORTED).persist(StorageLevel.DISK_ONLY)


def _sort(
    place: str, deleted: frozenset[tuple[str, str]], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Whose each line is, with its number in its block of its file."""
    numbers: dict[tuple[str, int], int] = {}
    for batch in batches:
        rows = []
        for line, file, block in _rows([batch]):
            numbers[file, block] = number = numbers.get((file, block), 0) + 1
            text = line.strip().removeprefix(BOM)
            read = sort_line(text, deleted) if text else SortedLine(LineUse.PASSED_OVER)
            kept = text if read.use in {LineUse.PATIENT, LineUse.MEDICATION, LineUse.BODY} else b""
            rows.append((*read, _name(file, place), block, number, kept))
        yield _batch(rows, SORTED)


def _note(lines: DataFrame, found: Shuffled, export: Export) -> dict[tuple[str, int], int]:
    """
    What the lines say of the export as a whole; faults by file and line, in the order of the files.

    What comes back is the number of lines before each block of a file.
    """
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
    singles = lines.where("use in ('medication', 'fault')").collect()
    for one in sorted(singles, key=lambda one: (order[one.file], one.block, one.number)):
        where = f"{one.file}:{before[one.file, one.block] + one.number}"
        read = SortedLine(LineUse(one.use), one.kind, one.owner, one.server, one.fault, tuple(one.lost))
        found.add(read, where, bytes(one.line))
    for file in export.errors:
        found.in_part |= {file.type} if file.type else export.types
    return before


def _bodies(
    spark: SparkSession,
    lines: DataFrame,
    before: dict[tuple[str, int], int],
    listed: DataFrame,
    place: str,
    export: Export,
) -> DataFrame | None:
    """Bundles and requests, one a line or one a file, with the file of rows they go to; None where there are none."""
    of_lines = lines.where(sql.col("use") == LineUse.BODY.value).select("file", "block", "number", "line")
    of_files = {row.file for row in of_lines.select("file").distinct().collect()}
    numbers = [
        number for number, file in enumerate(export.files) if not file.lines or file.name in of_files
    ]  # fmt: skip
    if not numbers:
        return None
    shares = min(BUCKETS, len(numbers))
    into = [(export.files[one].name, name_of_share(at % shares), one) for at, one in enumerate(numbers)]
    starts = spark.createDataFrame([(*block, lines) for block, lines in before.items()] or [("", 0, 0)],
                                   "file string, block long, start long")  # fmt: skip
    counted = of_lines.join(starts, ["file", "block"])
    counted = counted.select("file", (sql.col("number") + sql.col("start")).alias("number"), "line")
    whole = listed.where(sql.col("path").rlike(JSON_NAME)).select("path", "content")
    bodies = counted.union(whole.mapInArrow(partial(_whole, place), BODIES))
    known = spark.createDataFrame(into, "file string, into string, place long")
    return bodies.join(known, "file").select("file", "number", "line", "into", "place")


def _whole(place: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Files that may be a Bundle or request each."""
    for batch in batches:
        yield _batch([(_name(path, place), 0, unpacked(path, content)) for path, content in _rows([batch])], BODIES)


def _days(options: RunOptions, bodies: DataFrame | None) -> list[tuple[str, str, bytes]]:
    """Days to decide for of patients that come line by line."""
    chosen = options.index_days or {}
    own = {_place(one.file, one.number) for one in bodies.select("file", "number").collect()} if (
        chosen and bodies is not None
    ) else set()  # fmt: skip
    return [
        (who, DAY.decode(), f"{one.line} {one.day}".encode())
        for who, many in chosen.items()
        if who not in own
        for one in many
    ]


def _place(file: str, number: int) -> str:
    return ExportFile(Path(file), file, lines=bool(number), type="").place_of(number)


def _of_patients(spark: SparkSession, lines: DataFrame, days: list[tuple[str, str, bytes]]) -> DataFrame:
    """Lines and days of patients, those of one together."""
    of_patients = lines.where(sql.col("use") == LineUse.PATIENT.value).select("owner", "kind", "line")
    of_patients = of_patients.union(spark.createDataFrame(days, "owner string, kind string, line binary"))
    return of_patients.repartition("owner").sortWithinPartitions("owner")


def _make(
    sent: SentRules,
    options: RunOptions,
    types: ExportedTypes,
    not_read: dict[str, set[str]],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """The rows of each patient: one in memory at a time, and none of the lines of one who has too many."""
    maker = sent.rows()
    for owner, own in groupby(_rows(batches), key=itemgetter(0)):
        patient = PatientLines(owner, owner, not_read=not_read.get(owner, set()))
        for _, kind, line in own:
            if kind == DAY.decode():
                number, day = line.decode().split()
                patient.days.append(DecisionDay.read(day, int(number)))
            else:
                patient.add(kind, line, options.most_resources)
        days = [options.as_of] if isinstance(options.as_of, date) else sorted(one.day for one in patient.days)
        if not patient.resources:
            told = [("", msgspec.json.encode([one.line for one in patient.days]))]
        else:
            told = _rows_told(maker, CohortPatient(owner, owner, partial(bundle_of, patient, types)), days, options)
        into = name_of_bucket(bucket_number(owner))
        yield _batch([(into, 0, 0, owner if day else "", day, row) for day, row in told], MADE)


def _make_of_bodies(
    sent: SentRules, options: RunOptions, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """The rows of each Bundle or request, a patient of its own."""
    maker = sent.rows()
    chosen = options.index_days or {}
    for file, number, line, into, place in _rows(batches):
        name = _place(file, number)
        days = [options.as_of] if isinstance(options.as_of, date) else [one.day for one in chosen.get(name, ())]
        told = _rows_told(maker, CohortPatient(name, name, partial(body_known_on, line)), days, options)
        yield _batch([(into, place, number, name if day else "", day, row) for day, row in told], MADE)


def _rows_told(
    maker: DecisionRows, patient: CohortPatient, days: list[date], options: RunOptions
) -> list[tuple[str, bytes]]:
    """Day and row for each day; ("", b"") for who has none."""
    rows = maker.rows_of(patient, days, options.today)
    return [(row["as_of"], msgspec.json.encode(row)) for row in rows] or [("", b"")]


def _write(made: DataFrame, maker: DecisionRows, out: Path, options: RunOptions) -> BucketTally:
    """Rows into the files a local run makes of them, and what they came to."""
    tally = BucketTally()
    made.count()  # by all executors at once; what follows asks for one partition after the other
    for into, rows in groupby(made.toLocalIterator(prefetchPartitions=True), key=itemgetter("into")):
        file = out / ROWS / f"{into}.{options.form}"
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


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    return (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _batch(rows: list[tuple[Any, ...]], schema: str) -> pa.RecordBatch:
    types = {"string": pa.string(), "long": pa.int64(), "binary": pa.binary(), "array<string>": pa.list_(pa.string())}
    fields = [(name, types[kind]) for name, kind in (one.split() for one in schema.split(", "))]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in fields]
    arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
