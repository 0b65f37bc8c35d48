"""Measure the hourly update with a million logged and ten thousand new rows, and the merge of a day.

Each runs in a new process, whose start-up (imports, contract, connection) is not included. Not here: drift of files
(drift.py).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from benchmarks.whole_process import run
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.data.reader import to_columns
from pmmds_core.profiling.reference_profile import fit_profile
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.database.tables import histogram_watermarks, prediction_logs
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_tests.harness.postgres import temporary_cluster

N_LOGGED = 1_000_000
N_NEW = 10_000
HOUR = timedelta(hours=1)
LOGGED_OVER = timedelta(days=7)
MODEL = ("churn-classifier", "1")

# Print the duration of the update, and of the last day's merge and verdict, in seconds.
UPDATE = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pmmds_core.contracts.contract import load_contract
from pmmds_core.drift.comparison import compare
from pmmds_core.drift.policy import DriftRule, judge
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.config.settings import Settings
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.monitoring.histograms import HistogramStore

home, url, profile_path = sys.argv[1:]
contract = load_contract("")
profile = ReferenceProfile.from_json(Path(profile_path).read_bytes())
database = open_database(Settings(home=home, database_url=url))
store = HistogramStore(database, contract)
with database.connect() as connection:
    connection.exec_driver_sql("SELECT 1")
end = datetime.now(UTC)
start = end - timedelta(hours=24)
began = time.perf_counter()
result = store.refresh(lambda _version: profile, "churn-classifier", start, end)
updated = time.perf_counter()
merged = store.merged("churn-classifier", "1", start, end)
verdict = judge(compare(profile, merged.counts, merged.n_rows), profile.n_rows, merged.n_rows, DriftRule(0.2, 3, 100))
judged = time.perf_counter()
print(json.dumps([updated - began, judged - updated, result.n_rows, merged.n_rows, len(result.hours), merged.n_hours]))
"""


@dataclass(frozen=True)
class Measured:
    name: str
    seconds: float
    target: float


def measure_hourly(repeats: int) -> Iterator[Measured]:
    """Measure both engines, one after the other."""
    for engine in ("SQLite", "PostgreSQL"):
        with ExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="pmmds-bench-"))
            url = ""
            if engine == "PostgreSQL":
                cluster = stack.enter_context(temporary_cluster())
                url = stack.enter_context(cluster.fresh_database())
            yield from _measure(engine, Settings(home=home, database_url=url), repeats)


def _measure(engine: str, settings: Settings, repeats: int) -> Iterator[Measured]:
    contract = load_contract("")
    database = open_database(settings)
    settings.home_path.mkdir(exist_ok=True)
    migrate(database, contract)
    records = _Records(contract)
    profile = settings.home_path / "profile.json"
    profile.write_bytes(records.profile)
    now = datetime.now(UTC)
    records.log(database, N_LOGGED, now - LOGGED_OVER, now, "a")
    _settle(database, contract, records)
    updates, merges = [], []
    for turn in range(repeats):
        # Each run uses a separate hour, so that it does not recount the rows of earlier runs.
        at = now.replace(minute=30) - (turn + 1) * HOUR
        records.log(database, N_NEW, at - timedelta(minutes=1), at, f"new{turn}-")
        argv = [sys.executable, "-c", UPDATE, settings.home, settings.database_url, str(profile)]
        update, merge, n_counted, n_merged, n_hours, _ = json.loads(run(argv).printed.splitlines()[-1])
        if n_counted < N_NEW:
            raise RuntimeError(f"{n_counted} rows were counted")
        updates.append(update)
        merges.append(merge)
        print(
            f"{engine}: {n_counted:,} rows of {n_hours} hours in {update:.3f} s, {n_merged:,} merged in {merge:.4f} s"
        )
        _settle(database, contract, records)
    database.close()
    yield Measured(f"hourly update, {engine}: 1M rows logged, 10k new", statistics.median(updates), 0.1)
    yield Measured(f"merge and verdict of 24 h, {engine}", statistics.median(merges), 0.02)


def _settle(database: Database, contract: Contract, records: _Records) -> None:
    """Count all hours, then set each arrival time to the prediction time, as the service does."""
    log, now = prediction_logs(contract), datetime.now(UTC)
    HistogramStore(database, contract).refresh(records.profile_of, MODEL[0], now - LOGGED_OVER - HOUR, now)
    with database.begin() as connection:
        late = sa.update(log).where(log.c.ingested_at > log.c.predicted_at)
        connection.execute(late.values(ingested_at=log.c.predicted_at))
        connection.execute(sa.update(histogram_watermarks).values(ingested_through=now))
        if database.dialect == "postgresql":
            connection.exec_driver_sql("ANALYZE prediction_logs")


class _Records:
    """Return rows from the reference distribution, and the profile for counting them."""

    def __init__(self, contract: Contract) -> None:
        frame = packaged_generator().sample(20_000, 1)
        scores = np.random.default_rng(1).beta(2, 5, len(frame))
        fitted = fit_profile(contract, to_columns(frame, contract), scores)
        self.profile = fitted.to_json()
        self.profile_of = lambda _version: fitted
        self._contract = contract
        rows = frame[list(contract.feature_names)].itertuples(index=False, name=None)
        self._rows = [tuple(row) for row in rows]
        self._scores = [float(s) for s in scores]

    def log(self, database: Database, n_rows: int, start: datetime, end: datetime, prefix: str) -> None:
        log, step, batch = PredictionLog(database, self._contract), (end - start) / n_rows, len(self._rows)
        for first in range(0, n_rows, batch):
            log.append(
                PredictionRecord(f"{prefix}{i}", start + i * step, *MODEL, int(p > 0.5), p, 0.3, self._rows[i % batch])
                for i in range(first, min(first + batch, n_rows))
                for p in [self._scores[i % batch]]
            )


def main() -> None:
    for measured in measure_hourly(5):
        print(measured)


if __name__ == "__main__":
    main()
