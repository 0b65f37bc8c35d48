"""Measure memory growth, pauses and lost predictions during ten minutes of constant load.

python -m benchmarks.soak [--minutes 10] [--rate 2000] [--postgresql]   (needs hey)

With --postgresql, rows go to a temporary PostgreSQL on the same machine with fsync off.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from benchmarks.deployments import example_request, migrate_database, temporary_settings, train_versions, wait_for
from benchmarks.hey import MAX_ANSWERS, Steady, hey
from benchmarks.serving import logged_rows, our_service, serving_workers
from pmmds_core.config.settings import Settings
from pmmds_tests.harness.postgres import temporary_cluster

SAMPLE_SECONDS = 2.0


class MemoryWatch(threading.Thread):
    """A thread that samples a process's resident memory in MB until it is stopped."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._stop_asked = threading.Event()
        self.samples: list[float] = []

    def run(self) -> None:
        while not self._stop_asked.wait(SAMPLE_SECONDS):
            self.samples.append(self._process.memory_info().rss / 1e6)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()


@contextmanager
def chosen_settings(*, postgresql: bool) -> Iterator[Settings]:
    """Yield settings with an empty `PMMDS_HOME`, on SQLite or a migrated PostgreSQL."""
    with temporary_settings() as settings:
        if not postgresql:
            yield settings
            return
        with temporary_cluster() as cluster, cluster.fresh_database() as url:
            on_postgresql = msgspec.structs.replace(settings, database_url=url)
            migrate_database(on_postgresql)
            os.environ.update(on_postgresql.to_environment())  # The training reads this variable.
            yield on_postgresql


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--postgresql", action="store_true")
    chosen = parser.parse_args()
    with chosen_settings(postgresql=chosen.postgresql) as settings:
        train_versions(settings, 1)
        body = Path(settings.home) / "body.json"
        body.write_text(json.dumps(example_request(settings)))
        with our_service(settings, 1) as base:
            wait_for(lambda: logged_rows(settings) >= 1)
            before = logged_rows(settings)
            watch = MemoryWatch(serving_workers(base)[0])
            watch.start()
            n_runs = math.ceil(chosen.minutes * 60 * chosen.rate / MAX_ANSWERS)
            url = f"{base}/api/v1/predict"
            runs = [hey(url, body, seconds=chosen.minutes * 60 / n_runs, rate=chosen.rate) for _ in range(n_runs)]
            watch.stop()
            n_answered = sum(run.n_answered for run in runs)
            ended = time.perf_counter()
            wait_for(lambda: logged_rows(settings) - before >= n_answered)
            seconds_behind = time.perf_counter() - ended
            n_logged = logged_rows(settings) - before
    report(runs, watch.samples, n_answered, n_logged)
    print(f"the last row      {seconds_behind:10.1f} s after the last response")


def report(runs: list[Steady], memory: list[float], n_answered: int, n_logged: int) -> None:
    others = {code for run in runs for code in run.statuses} - {"200"}
    quarter = max(1, len(memory) // 4)
    p50, p95, p99 = (max(values) for values in zip(*((r.p50_ms, r.p95_ms, r.p99_ms) for r in runs), strict=True))
    print(f"requests/s        {statistics.mean(run.requests_per_second for run in runs):10,.0f}")
    print(f"p50, p95, p99     {p50:.2f}, {p95:.2f}, {p99:.2f} ms")
    print(f"maximum           {max(run.longest_ms for run in runs):10.1f} ms  (target 50)")
    print(f"answered 200      {n_answered:10,}; other statuses: {', '.join(sorted(others)) or 'none'}")
    print(f"errors            {'yes' if any(run.has_errors for run in runs) else 'none'}")
    print(f"in the database   {n_logged:10,}  ({'all' if n_logged == n_answered else 'NOT ALL'})")
    print(
        f"worker's memory   {statistics.median(memory[:quarter]):.0f} MB in the first quarter, "
        f"{statistics.median(memory[-quarter:]):.0f} MB in the last, at most {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
