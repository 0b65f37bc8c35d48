"""Counts a file's rows per bin with DuckDB. The scans use all cores and never load the whole file into memory.

The bins are exactly those of profiling/bin_queries.py. Not here: opening files (data_file.py), reading columns as
features (column_sql.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError
from pmmds_core.profiling.bin_queries import BinQuery, Predicate, bin_queries, counts_of
from pmmds_core.stores.files.column_sql import BLANKS
from pmmds_core.stores.files.data_file import DataFile, FileColumn, identifier, quoted, readable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.profiling.bins import FeatureBins
    from pmmds_core.stores.files.column_sql import Reading

# DuckDB's planning time grows more than linearly with the number of expressions.
COUNTS_PER_SCAN = 400
# The maximum number of values in memory per thread. Each value takes 8 bytes, or 16 bytes while being sorted.
NUMBERS_AT_A_TIME = 4_000_000

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class CategoryCounts:
    """A column's most frequent values, and the number of other values, of their rows and of nulls.

    Ties are in text order.
    """

    counts: Mapping[str, int]
    n_other_values: int
    n_other_rows: int
    n_null: int


class FileCounter:
    """A counter of the rows in one file."""

    def __init__(self, connection: DuckDBPyConnection, file: DataFile) -> None:
        self._connection = connection
        self._file = file
        self._n_threads = os.cpu_count() or 1

    def count(self, readings: Sequence[Reading], bins: Mapping[str, FeatureBins]) -> dict[str, list[int]]:
        """Return the counts per bin of each reading's feature, in the order of the feature's bins.

        Raises:
            InputFileError: if the file is damaged.
        """
        # Trimming every cell takes longer than all other steps, so cells are trimmed only if some are unknown.
        quick = [replace(r, value=r.cell) if r.cell else r for r in readings]
        counts = self._counted(quick, bins)
        unknown = [r for r in readings if r.cell and counts[r.feature][bins[r.feature].unseen_index]]
        return counts | (self._counted(unknown, bins) if unknown else {})

    def _counted(self, readings: Sequence[Reading], bins: Mapping[str, FeatureBins]) -> dict[str, list[int]]:
        widths = [len(bin_queries(bins[r.feature])) for r in readings]
        limit = max(1, min(COUNTS_PER_SCAN, -(-sum(widths) // self._n_threads)))
        parts = list(_parts(readings, widths, limit))
        results = self._at_once(lambda cursor, part: self._count(cursor, part, bins), parts)
        return {feature: counts for part in results for feature, counts in part.items()}

    def numbers(self, readings: Sequence[Reading], use: Callable[[str, NDArray[np.float64]], Result]) -> list[Result]:
        """Call `use(feature, values)` for each numeric reading.

        The values are an array of shape (n_rows,), with NaN for missing values and text.

        Raises:
            InputFileError: if the file is damaged.
        """
        limit = max(1, min(NUMBERS_AT_A_TIME // self._file.n_rows, -(-len(readings) // self._n_threads)))
        parts = list(_parts(readings, [1] * len(readings), limit))
        return [r for part in self._at_once(lambda c, p: self._numbers(c, p, use), parts) for r in part]

    def categories(self, readings: Sequence[Reading], at_most: int) -> list[CategoryCounts]:
        """Return up to `at_most` of the most frequent values of each column reading.

        Raises:
            InputFileError: if the file is damaged.
        """
        return self._at_once(lambda cursor, r: self._categories(cursor, r, at_most), list(readings))

    def texts_among_numbers(self, reading: Reading) -> tuple[int, int]:
        """Return the numbers of text cells and of numeric cells in a numeric reading."""
        query = f"SELECT count_if({reading.is_text}), count_if(NOT isnan({reading.value})) FROM {self._file.relation}"
        (n_texts, n_numbers) = self._rows(self._connection, query)[0]
        return n_texts, n_numbers

    def longest(self, column: FileColumn, at_most: int) -> list[str]:
        """Return the longest distinct cells of a text column."""
        text = column.identifier
        query = f"SELECT DISTINCT {text} AS v, length({text}) AS n FROM {self._file.relation} WHERE {text} IS NOT NULL"
        rows = self._rows(self._connection, f"SELECT v FROM ({query}) ORDER BY n DESC, v LIMIT {at_most}")
        return [str(row[0]) for row in rows]

    def all_match(self, column: FileColumn, pattern: str, missing: Collection[str]) -> bool:
        """Return True if every cell of a text column is a missing word or matches a pattern, ignoring case."""
        text = f"lower(trim({column.identifier}, {BLANKS}))"
        words = ", ".join(quoted(word) for word in sorted({"", *missing}))
        is_other = f"{text} NOT IN ({words}) AND NOT regexp_full_match({text}, {quoted(pattern)})"
        query = f"SELECT count_if({is_other}) FROM {self._file.relation}"
        return not self._rows(self._connection, query)[0][0]

    def _count(
        self, cursor: DuckDBPyConnection, readings: Sequence[Reading], bins: Mapping[str, FeatureBins]
    ) -> dict[str, list[int]]:
        cells, counted = [], []
        for i, reading in enumerate(readings):
            cells.append(f"{reading.value} AS v{i}")
            if reading.is_text:
                cells.append(f"({reading.is_text}) AS t{i}")
            counted += [f"count_if({_condition(i, reading, t)})" for t in bin_queries(bins[reading.feature])]
        query = f"SELECT count(*), {', '.join(counted)} FROM (SELECT {', '.join(cells)} FROM {self._file.relation})"
        n_rows, *numbers = self._rows(cursor, query)[0]
        self._check(n_rows)
        remaining = iter(n or 0 for n in numbers)  # The count is NULL if no row has a value.
        counts = {}
        for reading in readings:
            feature = bins[reading.feature]
            numbers_of_feature = [next(remaining) for _ in bin_queries(feature)]
            counts[reading.feature] = counts_of(feature, self._file.n_rows, numbers_of_feature)
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
        # Group by position, because the file itself may have a column named v.
        groups = f"SELECT {reading.value} AS v, count(*) AS n FROM {self._file.relation} GROUP BY 1"
        if reading.cell:  # Trim each distinct cell only once. The name of the count must differ from the column's name.
            n = identifier(reading.cell + "n")
            cells = f"SELECT {reading.cell}, count(*) AS {n} FROM {self._file.relation} GROUP BY 1"
            groups = f"SELECT {reading.value} AS v, sum({n})::BIGINT AS n FROM ({cells}) GROUP BY 1"
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
        """Raise InputFileError if a scan's row count differs from the row count when the file was opened."""
        if n_rows != self._file.n_rows:
            raise InputFileError(
                f"{self._file.path} changed while it was read: {self._file.n_rows:,} rows, then {n_rows:,}.",
                next_step="Retry when the file has been written completely.",
            )

    def _rows(self, cursor: DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
        with readable(self._file.path):
            return cursor.execute(query).fetchall()

    def _at_once(self, work: Callable[[DuckDBPyConnection, Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Run each part in its own thread, because DuckDB uses one core per query if a file has only one row group."""
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
    """Split readings into consecutive groups with a total width of at most `at_most`.

    A reading that is wider than this forms a group of its own.
    """
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
