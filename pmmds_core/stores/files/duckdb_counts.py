"""Counting a file's rows per bin with DuckDB: few scans, on all cores, without holding the file in memory.

The bins are those of profiling/bin_queries.py, to the row. Keep out: opening files (data_file.py), what a column means
(column_sql.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError
from pmmds_core.profiling.bin_queries import BinQuery, Predicate, bin_queries, counts_of
from pmmds_core.stores.files.data_file import DataFile, quoted, readable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.profiling.bins import FeatureBins
    from pmmds_core.stores.files.column_sql import Reading

# DuckDB plans a scan of more expressions in more than proportional time.
COUNTS_PER_SCAN = 400
# Numbers in memory at a time and thread: 8 bytes each, and as much again while they are ordered.
NUMBERS_AT_A_TIME = 4_000_000

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class CategoryCounts:
    """The most frequent values of a column, ties by the text; how many others there are, and rows of them, and null."""

    counts: Mapping[str, int]
    n_other_values: int
    n_other_rows: int
    n_null: int


class FileCounter:
    """Counts the rows of one file."""

    def __init__(self, connection: DuckDBPyConnection, file: DataFile) -> None:
        self._connection = connection
        self._file = file
        self._n_threads = os.cpu_count() or 1

    def count(self, readings: Sequence[Reading], bins: Mapping[str, FeatureBins]) -> dict[str, list[int]]:
        """Counts per bin of each reading's feature, in the order of its bins.

        Raises:
            InputFileError: the file is damaged.
        """
        widths = [len(bin_queries(bins[r.feature])) for r in readings]
        most = max(1, min(COUNTS_PER_SCAN, -(-sum(widths) // self._n_threads)))
        parts = list(_parts(readings, widths, most))
        found = self._at_once(lambda cursor, part: self._count(cursor, part, bins), parts)
        return {feature: counts for part in found for feature, counts in part.items()}

    def numbers(self, readings: Sequence[Reading], use: Callable[[str, NDArray[np.float64]], Result]) -> list[Result]:
        """What `use` makes of each numeric feature and its values, (n_rows,), NaN for a missing one or text.

        Raises:
            InputFileError: the file is damaged.
        """
        most = max(1, min(NUMBERS_AT_A_TIME // self._file.n_rows, -(-len(readings) // self._n_threads)))
        parts = list(_parts(readings, [1] * len(readings), most))
        return [r for part in self._at_once(lambda c, p: self._numbers(c, p, use), parts) for r in part]

    def categories(self, readings: Sequence[Reading], at_most: int) -> list[CategoryCounts]:
        """The `at_most` most frequent values of each reading.

        Raises:
            InputFileError: the file is damaged.
        """
        return self._at_once(lambda cursor, r: self._categories(cursor, r, at_most), list(readings))

    def texts_among_numbers(self, reading: Reading) -> tuple[int, int]:
        """How many cells of a numeric reading are text that is no number, and how many are numbers."""
        query = f"SELECT count_if({reading.is_text}), count_if(NOT isnan({reading.value})) FROM {self._file.relation}"
        (n_texts, n_numbers) = self._rows(self._connection, query)[0]
        return n_texts, n_numbers

    def _count(
        self, cursor: DuckDBPyConnection, readings: Sequence[Reading], bins: Mapping[str, FeatureBins]
    ) -> dict[str, list[int]]:
        cells, tallies = [], []
        for i, reading in enumerate(readings):
            cells.append(f"{reading.value} AS v{i}")
            if reading.is_text:
                cells.append(f"({reading.is_text}) AS t{i}")
            tallies += [f"count_if({_condition(i, reading, t)})" for t in bin_queries(bins[reading.feature])]
        query = f"SELECT count(*), {', '.join(tallies)} FROM (SELECT {', '.join(cells)} FROM {self._file.relation})"
        n_rows, *numbers = self._rows(cursor, query)[0]
        self._check(n_rows)
        found = iter(n or 0 for n in numbers)  # NULL where no row has an answer
        counts = {}
        for reading in readings:
            own = bins[reading.feature]
            counts[reading.feature] = counts_of(own, self._file.n_rows, [next(found) for _ in bin_queries(own)])
        return counts

    def _numbers(
        self,
        cursor: DuckDBPyConnection,
        readings: Sequence[Reading],
        use: Callable[[str, NDArray[np.float64]], Result],
    ) -> list[Result]:
        cells = ", ".join(f"{r.value} AS v{i}" for i, r in enumerate(readings))
        with readable(self._file.path):
            columns = cursor.execute(f"SELECT {cells} FROM {self._file.relation}").fetchnumpy()
        self._check(len(columns["v0"]))
        return [use(r.feature, _with_nan(columns.pop(f"v{i}"))) for i, r in enumerate(readings)]

    def _categories(self, cursor: DuckDBPyConnection, reading: Reading, at_most: int) -> CategoryCounts:
        groups = f"SELECT {reading.value} AS v, count(*) AS n FROM {self._file.relation} GROUP BY v"
        totals = "count(v) OVER (), sum(n) OVER ()"
        query = f"SELECT v, n, {totals} FROM ({groups}) ORDER BY v IS NULL DESC, n DESC, v LIMIT {at_most + 1}"
        rows = self._rows(cursor, query)
        self._check(rows[0][3])
        n_null = next((n for v, n, *_ in rows if v is None), 0)
        counts = {v: n for v, n, *_ in rows if v is not None}
        for surplus in list(counts)[at_most:]:
            del counts[surplus]
        n_values = rows[0][2]
        n_other = self._file.n_rows - n_null - sum(counts.values())
        return CategoryCounts(counts, n_values - len(counts), n_other, n_null)

    def _check(self, n_rows: int) -> None:
        """Every scan sees the rows that the file was opened with, or nothing is said about it."""
        if n_rows != self._file.n_rows:
            raise InputFileError(
                f"{self._file.path} cannot be read: it had {self._file.n_rows:,} rows, and {n_rows:,} a moment later.",
                next_step="Compare it when it is written completely.",
            )

    def _rows(self, cursor: DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
        with readable(self._file.path):
            return cursor.execute(query).fetchall()

    def _at_once(self, work: Callable[[DuckDBPyConnection, Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Each part on a thread: a file written in one piece keeps DuckDB to one core a query."""
        if not parts:
            return []
        if len(parts) == 1:
            return [work(self._connection, parts[0])]
        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(lambda part: work(self._connection.cursor(), part), parts))


def _condition(i: int, reading: Reading, query: BinQuery) -> str:
    match query.test:
        case Predicate.NULL if reading.kind == "categorical":
            return f"v{i} IS NULL"
        case Predicate.NULL if reading.is_text:
            return f"isnan(v{i}) AND NOT t{i}"
        case Predicate.NULL:
            return f"isnan(v{i})"
        case Predicate.NOT_A_NUMBER:
            return f"t{i}" if reading.is_text else "false"
        case Predicate.BELOW:
            return f"v{i} < {query.operand!r}::DOUBLE"
        case Predicate.AT_MOST:
            return f"v{i} <= {query.operand!r}::DOUBLE"
        case Predicate.EQUALS:
            return f"v{i} = {quoted(str(query.operand))}"
    assert_never(query.test)


def _parts(readings: Sequence[Reading], widths: Sequence[int], at_most: int) -> Iterator[list[Reading]]:
    """Readings in runs whose widths together are `at_most`, or one that is wider."""
    part: list[Reading] = []
    width = 0
    for reading, own in zip(readings, widths, strict=True):
        if part and width + own > at_most:
            yield part
            part, width = [], 0
        part.append(reading)
        width += own
    if part:
        yield part


def _with_nan(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.ma.filled(column, np.nan)
    return values
