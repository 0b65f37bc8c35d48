"""Creates test files that resemble production data: Telco's 19 features and a score, written by pandas.

Not here: measurements (drift.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.drift_peers import CACHE

if TYPE_CHECKING:
    import pandas as pd

FOLDER = CACHE / "drift-data-1"
MILLION = 1_000_000
# The packaged generator draws the distinct rows, and random noise on the charges creates many values.
N_CUSTOMERS = 50_000


def telco_like(n_rows: int, seed: int, *, price_rise: float = 0.0) -> pd.DataFrame:
    """Return 19 features and `score`, with charges raised by the fraction `price_rise`."""
    from pmmds_core.synthetic.generator import packaged_generator

    random = np.random.default_rng(seed)
    customers = packaged_generator().sample(N_CUSTOMERS, 1).drop(columns="churn")
    frame = customers.iloc[random.integers(0, N_CUSTOMERS, n_rows)].reset_index(drop=True)
    monthly = (frame["monthly_charges"] + random.normal(0, 1, n_rows)) * (1 + price_rise)
    frame["monthly_charges"] = monthly.clip(0, 200).round(2)
    frame["total_charges"] = (frame["total_charges"] + random.normal(0, 5, n_rows)).clip(0, 10_000).round(2)
    frame["score"] = random.beta(2, 5, n_rows)
    return frame


def reference_file() -> Path:
    """Write 1M reference rows."""
    return _written("reference-1m", lambda path: telco_like(MILLION, 1).to_parquet(path, index=False))


def current_file() -> Path:
    """Write 1M rows whose prices are 10% higher."""
    return _written("current-1m", lambda path: telco_like(MILLION, 2, price_rise=0.1).to_parquet(path, index=False))


def large_current_file() -> Path:
    """Write 10M rows in row groups of a million."""
    return _written("current-10m", _write_large)


def wide_files() -> tuple[Path, Path]:
    """Write 100k rows with 700 numeric and 300 categorical features, of which about 1% of the values are missing."""
    return (
        _written("wide-reference", lambda path: _wide(3).to_parquet(path, index=False)),
        _written("wide-current", lambda path: _wide(4).to_parquet(path, index=False)),
    )


def _write_large(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for seed in range(10, 20):
        table = pa.Table.from_pandas(telco_like(MILLION, seed, price_rise=0.1), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=MILLION)
    if writer is not None:
        writer.close()


def _wide(seed: int) -> pd.DataFrame:
    import pandas as pd

    random = np.random.default_rng(seed)
    n_rows = 100_000
    columns: dict[str, object] = {}
    for i in range(700):
        values = random.normal(i % 7, 1, n_rows)
        values[random.random(n_rows) < 0.01] = np.nan
        columns[f"n{i}"] = values
    words = np.array([f"category {k}" for k in range(12)], dtype=object)
    for i in range(300):
        columns[f"c{i}"] = words[random.integers(0, 2 + i % 11, n_rows)]
    return pd.DataFrame(columns)


def _written(name: str, write: Callable[[Path], None]) -> Path:
    path = FOLDER / f"{name}.parquet"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        write(unfinished)
        unfinished.replace(path)
    return path
