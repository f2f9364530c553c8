"""Rows as Parquet, with the content they have as NDJSON: the one module that knows pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cds.population.columns import Column, ColumnKind

ROWS_OF_A_GROUP = 5_000
TRUTH = pa.dictionary(pa.int8(), pa.string())


class ParquetRows:
    """Writes rows in groups; the same rows give the same bytes with the same pyarrow."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = pa.schema([(column.name, _type_of(column)) for column in columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Take a row; written when a group is full."""
        self._held.append(row)
        if len(self._held) == ROWS_OF_A_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            arrays = [
                pa.array([_written(row.get(column.name), column) for row in self._held], _type_of(column))
                for column in self._columns
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._held = []


def parquet_rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, as they are in NDJSON: what a row without a decision lacks is left out."""
    with pq.ParquetFile(file) as reading:
        counts = {one.name for one in reading.schema_arrow if pa.types.is_map(one.type)}
        for batch in reading.iter_batches(ROWS_OF_A_GROUP):
            for row in batch.to_pylist():
                decided = row["outcome"] == "decided"
                yield {
                    name: dict(value) if name in counts and value is not None else _read(value)
                    for name, value in row.items()
                    if value is not None or (decided and name != "why")
                }


def _type_of(column: Column) -> pa.DataType:
    match column.kind:
        case ColumnKind.TRUTH:
            return TRUTH
        case ColumnKind.DAY:
            return pa.date32()
        case ColumnKind.NUMBER:
            return pa.int64()
        case ColumnKind.NAMES:
            return pa.list_(pa.string())
        case ColumnKind.RECORDS:
            return pa.list_(pa.struct([(member, pa.string()) for member in column.members]))
        case ColumnKind.COUNTS:
            return pa.map_(pa.string(), pa.int64())
    return pa.string()


def _written(value: Any, column: Column) -> Any:
    if value is None:
        return None
    match column.kind:
        case ColumnKind.DAY:
            return date.fromisoformat(value)
        case ColumnKind.RECORDS:
            return [dict(zip(column.members, record, strict=True)) for record in value]
        case ColumnKind.COUNTS:
            return list(value.items())
    return value


def _read(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [list(one.values()) if isinstance(one, dict) else one for one in value]
    return value
