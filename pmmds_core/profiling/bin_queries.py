"""Defines the counts for a feature's bins once; every engine translates the definition to its own queries.

Not here: the queries (stores/monitoring/bin_counts.py for SQLite and PostgreSQL, stores/files/duckdb_counts.py for
DuckDB, stores/files/spark_counts.py for Spark) and the bins (bins.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

import msgspec

from pmmds_core.profiling.bins import FeatureBins


class Predicate(Enum):
    """A predicate on one value.

    Null and NaN satisfy only NULL, and text in a numeric column satisfies only NOT_A_NUMBER. There is no "greater
    than", because in PostgreSQL, DuckDB and Spark NaN is greater than every number.
    """

    NULL = "missing or NaN"
    NOT_A_NUMBER = "text that is not a number"
    BELOW = "a number less than the operand"
    AT_MOST = "a number less than or equal to the operand"
    EQUALS = "text equal to the operand, byte for byte"


class BinQuery(msgspec.Struct, frozen=True):
    """A count of the rows that satisfy `test` with `operand`."""

    test: Predicate
    operand: float | str | None = None


def bin_queries(bins: FeatureBins) -> tuple[BinQuery, ...]:
    """Return the counts to query for one feature.

    All bins except one are counted, because the last count follows from the number of rows. Numeric features use
    cumulative counts, so that each edge requires only one comparison.
    """
    if bins.kind == "categorical":
        return (BinQuery(Predicate.NULL), *(BinQuery(Predicate.EQUALS, category) for category in bins.categories))
    return (
        BinQuery(Predicate.NULL),
        BinQuery(Predicate.NOT_A_NUMBER),
        BinQuery(Predicate.BELOW, bins.lowest),
        *(BinQuery(Predicate.AT_MOST, edge) for edge in bins.edges),
        BinQuery(Predicate.AT_MOST, bins.highest),
    )


def counts_of(bins: FeatureBins, n_rows: int, results: Sequence[int]) -> list[int]:
    """Convert an engine's results for `bin_queries(bins)` to counts in bin order."""
    if bins.kind == "categorical":
        n_null, *categories = results
        return [*categories, n_rows - n_null - sum(categories), n_null]
    n_null, n_text, *steps = results
    n_out_of_range = n_rows - n_null - n_text - (steps[-1] - steps[0])
    return [*bins.fold([b - a for a, b in pairwise(steps)]), n_out_of_range, n_text, n_null]
