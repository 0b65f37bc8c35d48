"""Five engines return the same bin counts, even for values that the engines treat differently.

The expected counts come from a plain Python implementation of the definition in pmmds_core/profiling/bins.py.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile, count
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.files.column_sql import read_column
from pmmds_core.stores.files.data_file import connect, open_data_file
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.prediction_records import NOON, make_records
from pmmds_tests.harness.spark_process import spark_counts
from pmmds_tests.harness.system_programs import system_program

Number = float | None
Text = str | None
LARGEST, SMALLEST = sys.float_info.max, 5e-324

EDGES = (-1e300, -1.5, -SMALLEST, 0.0, SMALLEST, 0.1, 0.3, 1.0, 2**53, 1e300)
NEAR = [math.nextafter(e, d) for e in EDGES for d in (-math.inf, math.inf)]
POISON_NUMBERS: list[Number] = [
    *EDGES,
    *NEAR,
    -0.0,
    math.nan,
    -math.nan,
    math.inf,
    -math.inf,
    None,
    LARGEST,
    -LARGEST,
    0.1 + 0.2,
    2.0**53 + 2,
]
EDGED = FeatureBins("monthly_charges", "numeric", edges=EDGES)
RANGED = FeatureBins("total_charges", "numeric", edges=(0.0, 0.1, 99.5), low=-0.0, high=100.0)
POISON_RANGED: list[Number] = [
    0.0, -0.0, -SMALLEST, 99.5, 100.0, math.nextafter(100.0, math.inf), 100.5, math.inf, -math.inf,
    math.nan, None, 1e308,
]  # fmt: skip
LONG = "x" * 100_000
CATEGORIES = (
    "Month-to-month",
    "",
    " ",
    "'",
    '"',
    "\\",
    "💳",
    "crédit",
    "cre\u0301dit",
    LONG,
    "NULL",
    "nan",
    "%s :x {0}",
    "a\nb",
)
WORDS = FeatureBins("contract", "categorical", categories=CATEGORIES)
POISON_TEXTS: list[Text] = [
    *CATEGORIES, None, "month-to-month", "Month-to-month ", " Month-to-month", "''", "\\\\", "💳💳", "credit",
    LONG + "x", LONG[:-1], "null", "NaN", "\t", "a\r\nb", "Ω" * 5000, "-", "None", "\ufeff", "\u200b",
]  # fmt: skip


def expected_numeric(bins: FeatureBins, values: list[Number]) -> list[int]:
    counts = [0] * bins.n_bins
    for v in values:
        if v is None or math.isnan(v):
            counts[-1] += 1
        elif math.isinf(v) or (bins.low is not None and v < bins.low) or (bins.high is not None and v > bins.high):
            counts[-3] += 1
        else:
            counts[sum(v > e for e in bins.edges)] += 1
    return counts


def expected_categorical(bins: FeatureBins, values: list[Text]) -> list[int]:
    known = [values.count(c) for c in bins.categories]
    n_null = values.count(None)
    return [*known, len(values) - sum(known) - n_null, n_null]


def expected(rows: dict[str, list[Any]]) -> dict[str, list[int]]:
    return {
        "monthly_charges": expected_numeric(EDGED, rows["monthly_charges"]),
        "total_charges": expected_numeric(RANGED, rows["total_charges"]),
        "contract": expected_categorical(WORDS, rows["contract"]),
    }


def poison() -> dict[str, list[Any]]:
    """Return columns of equal length that contain every unusual value at least once."""
    n = max(len(POISON_NUMBERS), len(POISON_RANGED), len(POISON_TEXTS))
    return {
        "monthly_charges": [POISON_NUMBERS[i % len(POISON_NUMBERS)] for i in range(n)],
        "total_charges": [POISON_RANGED[i % len(POISON_RANGED)] for i in range(n)],
        "contract": [POISON_TEXTS[i % len(POISON_TEXTS)] for i in range(n)],
    }


def profile_of(*bins: FeatureBins) -> ReferenceProfile:
    return ReferenceProfile("", 0, tuple(FeatureProfile(b, (0,) * b.n_bins) for b in bins))


PROFILE = profile_of(EDGED, RANGED, WORDS)


def counted_by_numpy(rows: dict[str, list[Any]]) -> dict[str, list[int]]:
    found = {}
    for feature in PROFILE.features:
        values = rows[feature.bins.feature]
        if feature.bins.kind == "numeric":
            array: np.ndarray[Any, Any] = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        else:
            array = np.array([*values, None], dtype=object)[:-1]
        found[feature.bins.feature] = count(feature.bins, array).tolist()
    return found


def table_of(rows: dict[str, list[Any]]) -> pa.Table:
    types = {"monthly_charges": pa.float64(), "total_charges": pa.float64(), "contract": pa.string()}
    return pa.table({name: pa.array(values, types[name], from_pandas=False) for name, values in rows.items()})


def counted_by_duckdb(rows: dict[str, list[Any]], folder: Path) -> dict[str, list[int]]:
    path = folder / "rows.parquet"
    pq.write_table(table_of(rows), path)
    with connect() as connection:
        file = open_data_file(connection, path)
        readings = [read_column(file.by_name[f.bins.feature], f.bins) for f in PROFILE.features]
        return FileCounter(connection, file).count(readings, {f.bins.feature: f.bins for f in PROFILE.features})


numbers = st.one_of(st.sampled_from(POISON_NUMBERS), st.floats(), st.none())
ranged = st.one_of(st.sampled_from(POISON_RANGED), st.floats(-1, 101), st.none())
# A lone surrogate is not valid text, and PostgreSQL does not support NUL characters.
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.one_of(st.sampled_from(POISON_TEXTS), st.text(letters, max_size=8), st.none())
some_rows = st.lists(st.tuples(numbers, ranged, texts), min_size=1, max_size=30).map(
    lambda rows: dict(
        zip(("monthly_charges", "total_charges", "contract"), map(list, zip(*rows, strict=True)), strict=True)
    )
)


@given(rows=some_rows)
def test_numpy_counts_match_the_definition(rows: dict[str, list[Any]]) -> None:
    assert counted_by_numpy(rows) == expected(rows)


def test_numpy_counts_of_edge_cases_match_the_definition() -> None:
    assert counted_by_numpy(poison()) == expected(poison())


def test_duckdb_counts_of_edge_cases_match_the_definition(tmp_path: Path) -> None:
    assert counted_by_duckdb(poison(), tmp_path) == expected(poison())


@given(rows=some_rows)
@settings(max_examples=60)
def test_duckdb_counts_of_random_rows_match_the_definition(tmp_path: Path, rows: dict[str, list[Any]]) -> None:
    assert counted_by_duckdb(rows, tmp_path) == expected(rows)


def test_nan_is_counted_even_though_parquet_statistics_exclude_it(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {"monthly_charges": [0.1, 0.1, math.nan]}
    rows |= {"total_charges": [math.nan, 1.0, 1.0], "contract": ["", "", ""]}
    assert counted_by_duckdb(rows, tmp_path) == expected(rows)


CountInDatabase = Callable[[dict[str, list[Any]]], dict[str, list[int]]]


@pytest.fixture
def count_in_database(database: Database, contract: Contract) -> CountInDatabase:
    """Return a function that logs rows as predictions and counts them, on SQLite and PostgreSQL."""
    log, table = PredictionLog(database, contract), prediction_logs(contract)
    store = HistogramStore(database, contract)
    whole = ReferenceProfile("", 0, PROFILE.features, FeatureProfile(FeatureBins(SCORE, "numeric"), (0,) * 5))

    def counted(rows: dict[str, list[Any]]) -> dict[str, list[int]]:
        n_rows = len(rows["contract"])
        records = make_records(contract, n_rows)
        names = contract.feature_names
        odd = [{name: rows[name][i] for name in rows} for i in range(n_rows)]
        with database.begin() as connection:
            connection.execute(table.delete())
        log.append(
            msgspec.structs.replace(
                record, features=tuple(cells.get(n, v) for n, v in zip(names, record.features, strict=True))
            )
            for record, cells in zip(records, odd, strict=True)
        )
        store.refresh(lambda _version: whole, "churn-classifier", NOON, NOON.replace(hour=13), only_changed=False)
        merged = store.merged("churn-classifier", "1", NOON, NOON.replace(hour=13)).counts
        return {name: merged[name].tolist() for name in rows}

    return counted


def test_database_counts_of_edge_cases_match_the_definition(count_in_database: CountInDatabase) -> None:
    assert count_in_database(poison()) == expected(poison())


@given(rows=some_rows)
@settings(max_examples=25)
def test_database_counts_of_random_rows_match_the_definition(
    count_in_database: CountInDatabase, rows: dict[str, list[Any]]
) -> None:
    assert count_in_database(rows) == expected(rows)


@pytest.mark.scale
def test_spark_counts_match_the_definition(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="Spark is not installed; run `make test-scale`")
    system_program("java")
    rng = np.random.default_rng(5)
    more = {name: [values[i] for i in rng.integers(0, len(values), 3000)] for name, values in poison().items()}
    bins = FeatureBins("x", "numeric", edges=(0.0, 10.0))
    texts = pa.table({"x": pa.array(TEXTS_FOR_NUMBERS, pa.string())})
    found = spark_counts(
        tmp_path,
        {
            "poison": (table_of(poison()), PROFILE),
            "more": (table_of(more), PROFILE),
            "texts": (texts, profile_of(bins)),
        },
    )
    assert found["poison"] == [expected(poison()), len(poison()["contract"])]
    assert found["more"] == [expected(more), 3000]
    by_numpy = count(bins, np.array(TEXTS_FOR_NUMBERS, dtype=object)).tolist()
    assert found["texts"] == [{"x": by_numpy}, len(TEXTS_FOR_NUMBERS)]


TEXTS_FOR_NUMBERS = [
    "9", " 11.5 ", "1e3", "-.5", "+3.", "inf", "-Infinity", "+inf", None, "", "  ", "NaN", "nan", "1e999", "-1e999",
    "1e-400", "abc", "1_000", "0x10", "1,5", "1e", ".", "--1", "12 13", "💳", "n/a", "1d", "1f", "-nan", "True",
    "\t7\n", "5e-324", "\u0661\u0662",
]  # fmt: skip


def test_numpy_and_duckdb_agree_on_text_in_numeric_columns(tmp_path: Path) -> None:
    bins = FeatureBins("x", "numeric", edges=(0.0, 10.0))
    found = duckdb_on_texts(bins, tmp_path)
    assert found == count(bins, np.array(TEXTS_FOR_NUMBERS, dtype=object)).tolist()
    assert found[bins.n_bins - 2] == sum(
        not re.fullmatch(
            r"\s*(-?nan|n/a|\.|[+-]?(inf|infinity|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?))?\s*", t, re.IGNORECASE | re.ASCII
        )
        for t in TEXTS_FOR_NUMBERS
        if t is not None
    )


def duckdb_on_texts(bins: FeatureBins, folder: Path) -> list[int]:
    path = folder / "texts.parquet"
    pq.write_table(pa.table({"x": pa.array(TEXTS_FOR_NUMBERS, pa.string())}), path)
    with connect() as connection:
        file = open_data_file(connection, path)
        return FileCounter(connection, file).count([read_column(file.columns[0], bins)], {"x": bins})["x"]
