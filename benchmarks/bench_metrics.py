"""Measure the time to collect and render /metrics with many versions and several workers.

python -m benchmarks.bench_metrics [--versions 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

N_RENDERED = 50
# Simulate workers, each of which has answered predictions with every version and rejected some requests.
WORKER = """
import sys
from pmmds_serving.metrics.counters import ServingMetrics

metrics = ServingMetrics()
for version in range(int(sys.argv[1])):
    for prediction in (0, 1):
        metrics.predicted("churn-classifier", str(version), prediction, 0.001, 0.5)
for path in ("/api/v1/predict", "/api/v1/predict/batch", "/api/v1/feedback", "/metrics", "/livez", "/ready"):
    for status in (200, 400, 503):
        metrics.answered("POST", path, status, 0.001)
        metrics.errors.labels(path, str(status)).inc()
metrics.fold()
"""


def render_ms() -> list[float]:
    """Return how many milliseconds each rendering takes in this process, which reads the workers' shared files."""
    from pmmds_serving.metrics.counters import ServingMetrics, exposition

    metrics = ServingMetrics()
    found = []
    for _ in range(N_RENDERED):
        began = time.perf_counter()
        exposition(metrics.collect())
        found.append((time.perf_counter() - began) * 1000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pmmds-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        for _ in range(chosen.workers):
            subprocess.run([sys.executable, "-c", WORKER, str(chosen.versions)], check=True)
        times = render_ms()
    print(f"{chosen.versions} versions, {chosen.workers} workers, {N_RENDERED} renderings")
    print(f"median {statistics.median(times):.1f} ms, maximum {max(times):.1f} ms (target 10)")


if __name__ == "__main__":
    main()
