"""The counts that define a feature's bins: one definition, which every engine turns into its own queries.

Does not live here: an engine's queries (stores/monitoring/bin_counts.py for SQLite and PostgreSQL,
stores/files/duckdb_counts.py for DuckDB, stores/files/spark_counts.py for Spark) and the bins themselves (bins.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

import msgspec

from pmmds_core.profiling.bins import FeatureBins


class Predicate(Enum):
    """A question about one value. Null and NaN answer yes to NULL and no to the others; text only to NOT_A_NUMBER.

    There is no "more than": to PostgreSQL, DuckDB and Spark NaN is more than every number.
    """

    NULL = "missing, or NaN"
    NOT_A_NUMBER = "text that is no number"
    BELOW = "a number less than the operand"
    AT_MOST = "a number less than the operand or equal to it"
    EQUALS = "the same text as the operand, to the byte"


class BinQuery(msgspec.Struct, frozen=True):
    """How many rows answer yes to `test` with `operand`."""

    test: Predicate
    operand: float | str | None = None


def bin_queries(bins: FeatureBins) -> tuple[BinQuery, ...]:
    """What is counted for one feature: all bins but one, which the number of rows gives.

    Numeric: cumulative counts, so that each edge is one comparison and none depends on another.
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


def counts_of(bins: FeatureBins, n_rows: int, found: Sequence[int]) -> list[int]:
    """The engine's numbers for `bin_queries(bins)` as counts in the order of the bins."""
    if bins.kind == "categorical":
        n_null, *known = found
        return [*known, n_rows - n_null - sum(known), n_null]
    n_null, n_text, *steps = found
    n_out_of_range = n_rows - n_null - n_text - (steps[-1] - steps[0])
    return [*(b - a for a, b in pairwise(steps)), n_out_of_range, n_text, n_null]
