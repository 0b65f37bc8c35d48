"""Counting rows per bin with Spark, for data that outgrows a machine: one pass over a DataFrame from anywhere.

The bins are those of profiling/bin_queries.py, to the row. Needs the extra `spark` (pyspark and Java 17). Keep out:
how a session is made, and where the rows are; the caller has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, assert_never

from pmmds_core.errors import DataError
from pmmds_core.profiling.bin_queries import BinQuery, Predicate, bin_queries, counts_of
from pmmds_core.profiling.bins import NUMBER_PATTERN, SCORE, WORDS_FOR_INFINITY, WORDS_FOR_NULL, FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# What str.strip() takes off, as far as text files have it.
BLANKS = " \t\r\n\f\x0b"


def count_with_spark(
    frame: DataFrame, profile: ReferenceProfile, columns: Mapping[str, str] | None = None
) -> tuple[dict[str, list[int]], int]:
    """Counts of a DataFrame's rows in the profile's bins, and how many rows there are.

    Hand them to `drift.compare`, or to `profile.recounted` for a reference of several partitions.

    Args:
        frame: one row for each prediction or customer; it is read once.
        profile: whose bins; the score's are counted where `columns` names a column for `__score__`.
        columns: feature to the frame's column, where the names differ.

    Raises:
        DataError: the frame lacks a column.
    """
    from pyspark.sql import functions as f

    named = columns or {}
    features = [one.bins for one in profile.with_score if one.bins.feature != SCORE or SCORE in named]
    types = dict(frame.dtypes)
    missing = [b.feature for b in features if named.get(b.feature, b.feature) not in types]
    if missing:
        raise DataError(
            f"The Spark DataFrame lacks {', '.join(missing[:8])}.", next_step="Name its columns with `columns`."
        )
    tallies: list[Column] = [f.count(f.lit(1)).alias("n_rows")]
    for bins in features:
        name = named.get(bins.feature, bins.feature)
        cell = _Cell(bins, f.col("`" + name.replace("`", "``") + "`"), is_text=types[name] == "string")
        tallies += [f.count_if(cell.answers(t)).alias(f"t{len(tallies) + i}") for i, t in enumerate(bin_queries(bins))]
    found: Any = frame.agg(*tallies).first()
    n_rows, *numbers = (int(n) for n in found)
    counts, position = {}, 0
    for bins in features:
        end = position + len(bin_queries(bins))
        counts[bins.feature] = counts_of(bins, n_rows, numbers[position:end])
        position = end
    return counts, n_rows


class _Cell:
    """One feature's column, and Spark's words for each question about it."""

    def __init__(self, bins: FeatureBins, column: Column, *, is_text: bool) -> None:
        from pyspark.sql import functions as f

        self._column = column
        self._has_text = is_text and bins.kind == "numeric"
        if bins.kind == "categorical":
            self._value = column.cast("string")
            self._is_null, self._is_text = column.isNull(), f.lit(False)
        elif self._has_text:
            text = f.lower(f.btrim(column, f.lit(BLANKS)))
            self._is_null = column.isNull() | text.isin(*sorted(WORDS_FOR_NULL))
            infinities = [sign + word for word in sorted(WORDS_FOR_INFINITY) for sign in ("", "+", "-")]
            is_number = text.rlike(f"^(?:{NUMBER_PATTERN})$") | text.isin(*infinities)
            self._is_text = ~self._is_null & ~is_number
            self._value = f.when(is_number, text.try_cast("double"))
        else:
            self._value = column.cast("double")
            self._is_null = self._value.isNull() | f.isnan(self._value)
            self._is_text = f.lit(False)

    def answers(self, query: BinQuery) -> Column:
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
