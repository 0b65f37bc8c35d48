"""Counts rows per bin with Spark in one pass over a DataFrame, for data that does not fit on one machine.

The bins are exactly those of profiling/bin_queries.py. Needs the extra `spark` (pyspark and Java 17).
Not here: creating the session and reading the rows, which the caller does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, assert_never

from pmmds_core.contracts.cells import (
    BLANKS,
    DECIMAL_PATTERN,
    NUMBER_PATTERN,
    WORDS_FOR_INFINITY,
    WORDS_FOR_NULL,
    WORDS_FOR_TRUTH,
    category_of,
    spelling_of,
)
from pmmds_core.errors import DataError
from pmmds_core.profiling.bin_queries import BinQuery, Predicate, bin_queries, counts_of
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def count_with_spark(
    frame: DataFrame, profile: ReferenceProfile, columns: Mapping[str, str] | None = None
) -> tuple[dict[str, list[int]], int]:
    """Count a DataFrame's rows in the profile's bins, and return the counts and the number of rows.

    Pass the counts to `drift.compare`, or to `profile.recounted` if the reference has several partitions.

    Args:
        frame: the DataFrame with one row per prediction or customer, which is read once.
        profile: the profile that defines the bins. The score is counted if `columns` names a column for `__score__`.
        columns: a mapping from features to the frame's columns, where the names differ.

    Raises:
        DataError: if the frame lacks a column.
    """
    from pyspark.sql import functions as f

    named = columns or {}
    features = [p.bins for p in profile.with_score if p.bins.feature != SCORE or SCORE in named]
    types = dict(frame.dtypes)
    missing = [b.feature for b in features if named.get(b.feature, b.feature) not in types]
    if missing:
        raise DataError(
            f"The Spark DataFrame lacks {', '.join(missing[:8])}.",
            next_step="Map its columns to the features with the argument `columns`.",
        )
    aggregates: list[Column] = [f.count(f.lit(1)).alias("n_rows")]
    for bins in features:
        name = named.get(bins.feature, bins.feature)
        cell = _Cell(bins, f.col("`" + name.replace("`", "``") + "`"), types[name])
        aggregates += [
            f.count_if(cell.matches(t)).alias(f"t{len(aggregates) + i}") for i, t in enumerate(bin_queries(bins))
        ]
    row: Any = frame.agg(*aggregates).first()
    n_rows, *numbers = (int(n) for n in row)
    counts, position = {}, 0
    for bins in features:
        end = position + len(bin_queries(bins))
        counts[bins.feature] = counts_of(bins, n_rows, numbers[position:end])
        position = end
    return counts, n_rows


class _Cell:
    """The Spark expressions for predicates on a feature's column."""

    def __init__(self, bins: FeatureBins, column: Column, type_name: str) -> None:
        from pyspark.sql import functions as f

        self._is_text = f.lit(False)
        if bins.kind == "categorical":
            self._value = _category(column, type_name, bins.categories)
            self._is_null = self._value.isNull()
        elif type_name == "string":
            text = f.lower(f.btrim(column, f.lit(BLANKS)))
            self._is_null = column.isNull() | text.isin(*sorted(WORDS_FOR_NULL))
            infinities = [sign + word for word in sorted(WORDS_FOR_INFINITY) for sign in ("", "+", "-")]
            is_number = text.rlike(f"^(?:{NUMBER_PATTERN})$") | text.isin(*infinities)
            self._is_text = ~self._is_null & ~is_number
            self._value = f.when(is_number, text.try_cast("double"))
        else:
            self._value = column.cast("double")
            self._is_null = self._value.isNull() | f.isnan(self._value)

    def matches(self, query: BinQuery) -> Column:
        from pyspark.sql import functions as f

        operand = f.lit(query.operand)
        match query.test:
            case Predicate.NULL:
                return self._is_null
            case Predicate.NOT_A_NUMBER:
                return self._is_text
            case Predicate.BELOW:
                return self._value < operand
            case Predicate.AT_MOST:
                return self._value <= operand
            case Predicate.EQUALS:
                return self._value == operand
        assert_never(query.test)


def _category(column: Column, type_name: str, categories: Collection[str]) -> Column:
    """Return an expression for a cell in the categories' spelling, or null if the cell is blank.

    See contracts/cells.py.
    """
    from pyspark.sql import functions as f

    spelling = spelling_of(categories)
    text = _text(column, type_name)
    if spelling == "exact":
        return text
    if type_name == "boolean" and spelling == "decimal":
        text = column.cast("int").cast("string")
    trimmed = f.btrim(text, f.lit(BLANKS))
    value = trimmed
    if spelling in ("decimal", "boolean"):
        value = f.when(trimmed.rlike(f"^(?:{DECIMAL_PATTERN})$"), _without_zeros(f.ltrim(trimmed, f.lit("+"))))
        value = value.otherwise(trimmed)
    if spelling == "boolean":
        truth = f.create_map(*(f.lit(part) for pair in WORDS_FOR_TRUTH.items() for part in pair))
        value = f.coalesce(truth[f.lower(value)], trimmed)
    written = {category_of(c, spelling) or c: c for c in categories}
    for canonical, own in written.items():
        if canonical != own:
            value = f.when(value == canonical, f.lit(own)).otherwise(value)
    is_missing = f.lower(trimmed).isin(*sorted(WORDS_FOR_NULL)) if spelling == "boolean" else trimmed == ""
    return f.when(~is_missing, value)


def _text(column: Column, type_name: str) -> Column:
    """Return an expression that yields the cell's value as text.

    Numbers have no trailing zeros, booleans become true and false, and NaN becomes null.
    """
    from pyspark.sql import functions as f

    if type_name in ("double", "float"):
        is_whole = (column == f.floor(column)) & (f.abs(column) < 1e15)
        text = f.when(is_whole, column.cast("bigint").cast("string")).otherwise(column.cast("string"))
        return f.when(~f.isnan(column), text)
    return _without_zeros(column.cast("string")) if type_name.startswith("decimal") else column.cast("string")


def _without_zeros(number: Column) -> Column:
    from pyspark.sql import functions as f

    shortest = f.rtrim(f.rtrim(number, f.lit("0")), f.lit("."))
    shortest = f.when(number.contains("."), shortest).otherwise(number)
    return f.when(shortest.isin("-0", "", "-"), f.lit("0")).otherwise(shortest)
