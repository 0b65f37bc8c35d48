"""DuckDB and Spark read categories of every column type as defined in contracts/cells.py."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmmds_core.contracts.cells import category_of, spelling_of
from pmmds_core.profiling.bins import FeatureBins, count_categorical
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile
from pmmds_core.stores.files.column_sql import read_column
from pmmds_core.stores.files.data_file import connect, open_data_file
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_tests.harness.spark_process import spark_counts
from pmmds_tests.harness.system_programs import system_program

TEXTS = [
    "a", " a", "a\u00a0", "", " ", None, "1", "1.0", "+1", "1.50", "1.5", "0", "-0.0", "0.", "007", "1e0", "true",
    "TRUE", "True ", "false", "NA", "b", "2.0", "-1", ".5", "1.",
]  # fmt: skip
# Typed cells have the same text as in a CSV file.
COLUMNS: dict[str, tuple[pa.Array, list[str | None]]] = {
    "text": (pa.array(TEXTS, pa.string()), TEXTS),
    "boolean": (pa.array([True, False, None]), ["true", "false", None]),
    "whole": (pa.array([0, 1, 2, -1, 7, None], pa.int32()), ["0", "1", "2", "-1", "7", None]),
    "real": (pa.array([0.0, -0.0, 1.0, 1.5, 2.25, None, float("nan")]), ["0", "0", "1", "1.5", "2.25", None, None]),
    "decimal": (
        pa.array([Decimal("1.00"), Decimal("1.50"), Decimal("0.00"), Decimal("-1.00"), None], pa.decimal128(9, 2)),
        ["1", "1.5", "0", "-1", None],
    ),
}
CATEGORIES = {
    "words": ("a", "b", "1", "1.0"),
    "booleans": ("true", "false"),
    "booleans of a contract": ("True", "False"),
    "numbers": ("0", "1", "1.5", "-1"),
    "numbers of a contract": ("0.0", "1.0", "2.0"),
    "exact": (" a", "a", ""),
}
CASES = {
    f"{column}, {name}": (COLUMNS[column], FeatureBins("x", "categorical", categories=CATEGORIES[name]))
    for column in COLUMNS
    for name in CATEGORIES
}


def expected(texts: list[str | None], bins: FeatureBins, *, is_boolean: bool) -> list[int]:
    """Return the counts by definition. Booleans count as 1 or 0 if the categories are numbers."""
    spelling = spelling_of(bins.categories)
    written = {category_of(c, spelling): c for c in bins.categories}
    numbers = {"true": "1", "false": "0"} if is_boolean and spelling == "decimal" else {}
    found = [None if t is None else category_of(numbers.get(t, t), spelling) for t in texts]
    values = np.array([written.get(c, c) for c in [*found, None]], dtype=object)[:-1]
    return [int(n) for n in count_categorical(bins, values)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_duckdb_reads_categories_as_defined(tmp_path: Path, case: tuple[tuple[Any, Any], FeatureBins]) -> None:
    (array, texts), bins = case
    pq.write_table(pa.table({"x": array}), tmp_path / "x.parquet")
    with connect() as connection:
        file = open_data_file(connection, tmp_path / "x.parquet")
        found = FileCounter(connection, file).count([read_column(file.columns[0], bins)], {"x": bins})
    assert found["x"] == expected(texts, bins, is_boolean=array.type == pa.bool_())


@pytest.mark.scale
def test_spark_reads_categories_as_defined(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="Spark is not installed; run `make test-scale`")
    system_program("java")
    tables = {
        f"case{i}": (
            pa.table({"x": array}),
            ReferenceProfile("", 0, (FeatureProfile(bins, (0,) * bins.n_bins),)),
        )
        for i, ((array, _), bins) in enumerate(CASES.values())
    }
    found = spark_counts(tmp_path, tables)
    for i, (name, ((array, texts), bins)) in enumerate(CASES.items()):
        right = expected(texts, bins, is_boolean=array.type == pa.bool_())
        assert (name, found[f"case{i}"]) == (name, [{"x": right}, len(texts)])
