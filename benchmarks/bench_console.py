"""Measure the response time and size of the console's pages, with months of reports and many predictions.

python -m benchmarks.bench_console [--rows 1000000] [--days 90]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa

from benchmarks.deployments import temporary_settings, train_versions, wait_for
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.stores.database.tables import drift_metrics, drift_reports, feature_histograms, prediction_logs
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.workflows.monitoring import monitor

N_REQUESTS = 9
HOUR = timedelta(hours=1)
PAGES = (
    "/",
    "/versions?weeks=13",
    "/versions/1",
    "/drift",
    "/drift?weeks=13",
    "/drift/tenure",
    "/drift/tenure?by=contract",
    "/reports/1",
    "/what-if",
    "/alerts",
    "/alerts/1",
    "/decisions",
    "/predictions",
    "/predictions?id=copy-1000",
    "/quality?weeks=13",
)


def log_one_hour(deployment: Deployment, now: datetime) -> None:
    """Log 1,800 drifted predictions, then count and report them."""
    frame = traffic_rows(packaged_generator(), deployment.contract, 1800, "migration", seed=5).frame
    scorer, name = deployment.profiles.bundle("1").scorer, deployment.model_name
    rows = [(row, scorer.probability(row)) for row in rows_of(frame, deployment.contract)]
    deployment.prediction_log.append(
        [PredictionRecord(f"row-{i}", now, name, "1", int(p >= 0.5), p, 0.3, tuple(r)) for i, (r, p) in enumerate(rows)]
    )
    hour = now.replace(minute=0, second=0, microsecond=0)
    monitor(deployment, hour - 23 * HOUR, hour + HOUR, run_id="")


def multiply(deployment: Deployment, n_rows: int, n_days: int, now: datetime) -> None:
    """Copy the report and the histograms to every hour of `n_days` days, and copy one prediction `n_rows` times."""
    log, hours = prediction_logs(deployment.contract), n_days * 24
    with deployment.database.begin() as connection:

        def rows_of_table(table: sa.Table) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

        (report,), metrics, counts = (rows_of_table(t) for t in (drift_reports, drift_metrics, feature_histograms))
        prediction = dict(connection.execute(sa.select(log).limit(1)).mappings().one())
        for i in range(1, hours):
            end = report["window_end"] - i * HOUR
            times = {"window_start": end - 24 * HOUR, "window_end": end, "created_at": end}
            connection.execute(sa.insert(drift_reports), {**report, **times, "report_id": i + 1})
            noise = np.random.default_rng(i)
            scaled = [
                {**m, "report_id": i + 1, "psi": (m["psi"] or 0.0) * float(noise.uniform(0.02, 1))} for m in metrics
            ]
            connection.execute(sa.insert(drift_metrics), scaled)
            connection.execute(sa.insert(feature_histograms), [{**c, "hour": c["hour"] - i * HOUR} for c in counts])
        step = timedelta(days=n_days) / n_rows
        for first in range(0, n_rows, 50_000):
            copies = range(first, min(first + 50_000, n_rows))
            connection.execute(
                sa.insert(log),
                [{**prediction, "request_id": f"copy-{i}", "predicted_at": now - i * step} for i in copies],
            )


@contextmanager
def console_process(settings: Settings) -> Iterator[str]:
    """Run a console within the block and yield its address."""
    url = f"http://127.0.0.1:{settings.console_port}"
    log = settings.home_path / "bench-console.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "pmmds_console"], stdout=out, stderr=out)
        try:
            wait_for(lambda: is_alive(url))
            yield url
        finally:
            process.terminate()
            process.wait(30)


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False).is_success
    except httpx.TransportError:
        return False


def measure(url: str, path: str) -> tuple[float, int]:
    """Return a page's median response time in milliseconds and its size in bytes. A warm-up request is not counted."""
    times, size = [], 0
    with httpx.Client(timeout=60, trust_env=False) as client:
        for _ in range(N_REQUESTS + 1):
            began = time.perf_counter()
            response = client.get(url + path)
            times.append((time.perf_counter() - began) * 1000)
            response.raise_for_status()
            size = len(response.content)
    return statistics.median(times[1:]), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    chosen = parser.parse_args()
    with temporary_settings() as settings:
        deployment, now = train_versions(settings, 1), datetime.now(UTC)
        log_one_hour(deployment, now)
        multiply(deployment, chosen.rows, chosen.days, now)
        with console_process(settings) as url:
            print(f"{chosen.rows:,} predictions, {chosen.days * 24:,} reports, SQLite")
            print(f"{'page':<28}{'ms':>8}{'KB':>8}   (targets 300 and 300)")
            for path in PAGES:
                ms, size = measure(url, path)
                print(f"{path:<28}{ms:>8.0f}{size / 1000:>8.0f}")


if __name__ == "__main__":
    main()
