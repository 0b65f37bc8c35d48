"""Writes rows of the prediction log to a Parquet file in groups, compressed with zstd, and reads them back to verify.

Not here: which rows (archive.py), queries on the files (archived_rows.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import StoreError
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.database.tables import UtcDateTime

GROUP_ROWS = 50_000


@dataclass(frozen=True)
class Written:
    """Size and digest of a written file. `digest`: sha256 of the values in order, independent of the compression."""

    n_rows: int
    n_bytes: int
    digest: str


def write_rows(path: Path, columns: Sequence[sa.Column[Any]], groups: Iterable[Sequence[Sequence[Any]]]) -> Written:
    """Write `groups` to a new file, sync it, read it back and compare.

    Raises:
        OSError: the file cannot be written, such as on a full disk.
        StoreError: the rows read back differ.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field(c.name, _arrow(c)) for c in columns])
    whole, n_rows = hashlib.sha256(), 0
    with path.open("xb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in filter(None, groups):
                batch = pa.record_batch(list(_arrays(schema, rows)), schema=schema)
                writer.write_batch(batch, row_group_size=len(rows))
                _add(whole, batch)
                n_rows += len(rows)
        file.flush()
        os.fsync(file.fileno())
    written = Written(n_rows, path.stat().st_size, whole.hexdigest())
    if (actual := read_back(path)) != written:
        raise StoreError(
            f"{path} was written with {counted(n_rows, 'row')} and read back with {actual.n_rows:,}, or with "
            "other values.",
            next_step="Check the disk; the rows are still in the database.",
        )
    return written


def count_rows(path: Path) -> int:
    """Read the number of rows from the file's metadata. Raises OSError, or StoreError if it is not a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException as error:
        raise StoreError(f"{path} is damaged: {type(error).__name__}.", next_step="Restore it from a copy.") from None


def read_back(path: Path) -> Written:
    """Read a file completely. Raises OSError, or StoreError if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole, n_rows = hashlib.sha256(), 0
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group).combine_chunks()
                for batch in rows.to_batches():
                    _add(whole, batch)
                n_rows += rows.num_rows
    except pa.ArrowException as error:
        raise StoreError(
            f"{path} is damaged: {type(error).__name__}.", next_step="Restore it from a copy of the archive."
        ) from None
    return Written(n_rows, path.stat().st_size, whole.hexdigest())


def _arrow(column: sa.Column[Any]) -> Any:
    import pyarrow as pa

    match column.type:
        case UtcDateTime():
            return pa.timestamp("us")
        case sa.SmallInteger():
            return pa.int16()
        case sa.Integer():
            return pa.int64()
        case sa.Float():
            return pa.float64()
    return pa.string()


def _arrays(schema: Any, rows: Sequence[Sequence[Any]]) -> Iterable[Any]:
    import pyarrow as pa

    values = list(zip(*rows, strict=True)) or [()] * len(schema)
    for field, column in zip(schema, values, strict=True):
        naive = pa.types.is_timestamp(field.type)
        yield pa.array([UtcDateTime.to_naive(v) for v in column] if naive else column, type=field.type)


def _add(whole: Any, batch: Any) -> None:
    import pyarrow as pa

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        plain = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        whole.update(f"{name}{plain.to_pylist()!r}".encode())
