"""Rows in files: NDJSON, which needs nothing, and Parquet. A file is there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from cds.population.columns import Column
from cds.population.export import ExportError

NDJSON, PARQUET = "ndjson", "parquet"
Row = dict[str, Any]


def row_formats() -> tuple[str, ...]:
    """The formats rows are written in."""
    return (NDJSON, PARQUET)


def refuse_missing_parquet(form: str) -> None:
    """
    Find out before a run whether it can write its rows.

    Raises:
        ExportError: Parquet was asked for, and the extra that writes it is not installed.
    """
    if form == PARQUET and find_spec("pyarrow") is None:
        raise ExportError(
            "Parquet needs pyarrow: install it with `pip install 'thirdline[population]'`, or use --format ndjson"
        )


@contextmanager
def writing_rows(
    file: Path, columns: Sequence[Column], and_then: Callable[[], None]
) -> Iterator[Callable[[Row], None]]:
    """
    A function that writes a row into the file; the format is that of its name. Without a row there is no file.

    `and_then` is called when all rows are written, just before the file is there.
    """
    count = 0
    with whole_file(file) as writing:
        if file.suffix == f".{PARQUET}":
            from cds.population.parquet import ParquetRows  # noqa: PLC0415 (an extra)

            rows: ParquetRows | NdjsonRows = ParquetRows(writing, columns)
        else:
            rows = NdjsonRows(writing)

        def write(row: Row) -> None:
            nonlocal count
            count += 1
            rows.write(row)

        yield write
        rows.close()
        and_then()
    if not count:
        file.unlink()


class NdjsonRows:
    """Writes each row as a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: Row) -> None:
        """Write a row."""
        self._file.write(msgspec.json.encode(row) + b"\n")

    def close(self) -> None:
        """Nothing is left."""


def rows_in_file(file: Path) -> Iterator[Row]:
    """The rows of a file, the same in both formats."""
    if file.suffix == f".{PARQUET}":
        refuse_missing_parquet(PARQUET)
        from cds.population.parquet import parquet_rows  # noqa: PLC0415 (an extra)

        yield from parquet_rows(file)
        return
    with file.open("rb") as reading:
        for line in reading:
            yield msgspec.json.decode(line)


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """A file to write that is there whole, or not at all: written beside its place, then renamed."""
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as writing:
        yield writing
        writing.flush()
        os.fsync(writing.fileno())
    part.rename(file)
