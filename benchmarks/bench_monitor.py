"""Measure the time and memory of `pmmds monitor` over a week of logged rows.

The first run and a run after new rows are measured. The alternative reads all rows of the window into pandas and bins
them.

    python -m benchmarks.bench_monitor [--rows 10000 1000000]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from benchmarks.deployments import temporary_settings, train_versions
from benchmarks.whole_process import Run, run
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.stores.database.tables import histogram_watermarks, prediction_logs
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator

WINDOW = timedelta(days=7)
N_NEW = 1_000
BATCH = 20_000

# The alternative reads every row in the window and uses NumPy to compute the PSI on the reference's bins.
PEER = """
import sys, numpy as np, pandas as pd, sqlalchemy as sa
from datetime import UTC, datetime, timedelta
engine = sa.create_engine(sys.argv[1])
since = (datetime.now(UTC) - timedelta(days=7)).strftime("%Y-%m-%d %H:%M:%S")
reference = pd.read_csv(sys.argv[2])
current = pd.read_sql(sa.text("SELECT * FROM prediction_logs WHERE predicted_at >= :s").bindparams(s=since), engine)
for name in reference.columns:
    if name not in current or name == "churn":
        continue
    a, b = reference[name], current[name]
    if a.dtype == object:
        a, b = a.value_counts(normalize=True), b.value_counts(normalize=True)
        a, b = a.align(b, fill_value=0.0)
    else:
        edges = np.unique(np.quantile(a, np.linspace(0, 1, 11)))
        edges[0], edges[-1] = -np.inf, np.inf
        a, b = np.histogram(a, edges)[0] / len(a), np.histogram(b, edges)[0] / len(b)
    a, b = np.clip(a, 1e-6, None), np.clip(b, 1e-6, None)
    float(np.sum((b - a) * np.log(b / a)))
print(len(current))
"""


@dataclass(frozen=True)
class Measured:
    n_rows: int
    first: Run
    second: Run
    peer: Run


def log_rows(deployment: Deployment, n_rows: int, start: datetime, end: datetime, prefix: str) -> None:
    """Log rows from the reference distribution, evenly spread over [start, end)."""
    version = deployment.production_version().version
    scorer = deployment.profiles.bundle(version).scorer
    rows = rows_of(packaged_generator().sample(BATCH, 1), deployment.contract)
    scored = [(tuple(row), scorer.probability(row)) for row in rows]
    step = (end - start) / n_rows
    for first in range(0, n_rows, BATCH):
        deployment.prediction_log.append(
            PredictionRecord(
                f"{prefix}{i}", start + i * step, deployment.model_name, version, int(p >= 0.5), p, 0.3, features
            )
            for i in range(first, min(first + BATCH, n_rows))
            for features, p in [scored[i % BATCH]]
        )


def date_back(deployment: Deployment, settings: Settings) -> None:
    """Set each row's arrival time to its prediction time, because hours with recent arrivals are recounted."""
    log, marks = prediction_logs(deployment.contract), histogram_watermarks
    with deployment.database.begin() as connection:
        connection.execute(sa.update(log).values(ingested_at=log.c.predicted_at))
    run(monitor_command(), settings.to_environment())
    with deployment.database.begin() as connection:
        connection.execute(sa.update(marks).values(ingested_through=datetime.now(UTC)))


def monitor_command() -> list[str]:
    return [sys.executable, "-m", "pmmds_cli.main", "monitor", "--window-hours", "168", "--json"]


def measure(n_rows: int) -> Measured:
    with temporary_settings() as settings:
        deployment = train_versions(settings, 1)
        now = datetime.now(UTC)
        log_rows(deployment, n_rows, now - WINDOW + timedelta(hours=1), now, "a")
        reference = settings.home_path / "reference.csv"
        deployment.datasets.require("reference", "reference_data").read().to_csv(reference, index=False)
        first = run(monitor_command(), settings.to_environment())
        date_back(deployment, settings)
        log_rows(deployment, N_NEW, datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC), "b")
        second = run(monitor_command(), settings.to_environment())
        peer = run(
            [sys.executable, "-c", PEER, settings.resolved_database_url, str(reference)], settings.to_environment()
        )
    return Measured(n_rows, first, second, peer)


def tell(results: list[Measured]) -> None:
    print(f"{'rows':>10} {'first run':>18} {'after 1,000 more':>18} {'pandas, all rows':>18}")
    for m in results:
        cells = [f"{r.seconds:7.2f} s {r.peak_mb:5.0f} MB" for r in (m.first, m.second, m.peer)]
        print(f"{m.n_rows:>10,} " + " ".join(f"{c:>18}" for c in cells))
    few, many = results[0], results[-1]
    if many is not few:
        print(
            f"{many.n_rows / few.n_rows:,.0f} times the rows: next run {many.second.seconds / few.second.seconds:.2f} "
            f"times as long, pandas {many.peer.seconds / few.peer.seconds:.2f} times"
        )
    print(
        f"ratio at {many.n_rows:,} rows (next run / pandas): time {many.second.seconds / many.peer.seconds:.2f}, "
        f"memory {many.second.peak_mb / many.peer.peak_mb:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    tell([measure(n) for n in parser.parse_args().rows])


if __name__ == "__main__":
    main()
