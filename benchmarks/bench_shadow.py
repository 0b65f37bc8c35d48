"""Measure the service with and without shadow scoring, and the speed of the shadow process.

python -m benchmarks.bench_shadow [--seconds 6] [--repeats 3]   (needs wrk)

Two services with the same models, one with PMMDS_SHADOW=on, receive load in turn, and the medians are printed. The
shadow's speed is measured on rows in the database and compared with logging the same number of rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import msgspec

from benchmarks.deployments import (
    example_request,
    is_answered,
    service_process,
    temporary_settings,
    train_versions,
    wait_for,
)
from benchmarks.load import Load, wrk
from benchmarks.serving import median_load
from pmmds_cli.processes.ports import any_free
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.stores.predictions.shadow import LogPosition
from pmmds_serving.shadow.scorer import BATCH_ROWS, scores_of
from pmmds_serving.shadow.status import ShadowFiles
from pmmds_serving.shipping.process import RUN_FOLDER

N_ROWS = 50_000
START_SECONDS = 240.0


def own_service(settings: Settings, name: str, shadow: str) -> Settings:
    """Return the settings of a service that has its own home and ports but shares the registry."""
    home = Path(settings.home) / name
    home.mkdir()
    ports = {port: any_free() for port in ("http_port", "grpc_port")}
    registry = {"mlflow_tracking_uri": settings.resolved_tracking_uri}
    return msgspec.structs.replace(settings, home=str(home), shadow=shadow, **ports, **registry)


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    base = client_url(settings.http_host, settings.http_port)
    with service_process(settings):
        wait_for(lambda: is_answered(f"{base}/api/v1/predict", example_request(settings)), START_SECONDS)
        if settings.shadow == "on":
            wait_for(lambda: shadow_part(base)["status"] == "scoring")
        yield base


def shadow_part(base: str) -> dict[str, object]:
    part: dict[str, object] = httpx.get(f"{base}/healthz", trust_env=False).json()["parts"]["shadow"]
    return part


def load_in_turn(settings: Settings, seconds: float, repeats: int) -> dict[str, Load]:
    """Return the median results for each value of PMMDS_SHADOW.

    The shadow process scores all logged requests before the other service receives load.
    """
    body, found = example_request(settings), {"off": list[Load](), "on": list[Load]()}
    with ExitStack() as stack:
        services = {shadow: own_service(settings, f"shadow-{shadow}", shadow) for shadow in found}
        bases = {shadow: stack.enter_context(running(own)) for shadow, own in services.items()}
        deployment = Deployment(services["on"])
        for _ in range(repeats):
            for shadow, base in bases.items():
                found[shadow].append(wrk(f"{base}/api/v1/predict", body, connections=8, seconds=seconds))
                wait_for(lambda: is_level(deployment), 600, 0.2)
        n_answered, n_scored = deployment.prediction_log.count(), deployment.shadow.totals()["2"]
        print(f"{n_answered:,} requests answered by v1, {n_scored:,} scored by v2")
    return {shadow: median_load(loads) for shadow, loads in found.items()}


def is_level(deployment: Deployment) -> bool:
    """Return True if every request that was logged since the shadow process started has been scored."""
    return not deployment.shadow.waiting("2", LogPosition(began_at(deployment)), 1)


def began_at(deployment: Deployment) -> datetime:
    status = ShadowFiles(deployment.settings.home_path / RUN_FOLDER).status.read()
    assert status is not None
    assert status.since is not None
    return status.since


@dataclass(frozen=True)
class Took:
    """The wall time and this process's processor time for `n` rows, in seconds."""

    n: int
    seconds: float
    processor_seconds: float

    def text(self) -> str:
        return f"{self.n / self.seconds:,.0f} rows/s, {self.processor_seconds / self.n * 1e6:.0f} µs CPU per row"


def timed(work: Callable[[], None]) -> Took:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Took(N_ROWS, time.perf_counter() - began, time.process_time() - used)


def shadow_rate(deployment: Deployment) -> tuple[Took, Took]:
    """Measure two tasks in this process: logging rows, and shadow scoring (which reads, scores and writes rows)."""
    row, now = tuple(deployment.contract.example().values()), deployment.shadow.now()
    records = [PredictionRecord(f"b-{i:07}", now, deployment.model_name, "1", 0, 0.4, 0.3, row) for i in range(N_ROWS)]
    bundle = deployment.profiles.bundle("2")

    def log() -> None:
        for start in range(0, N_ROWS, BATCH_ROWS):
            deployment.prediction_log.append(records[start : start + BATCH_ROWS])

    def score() -> None:
        place = LogPosition(now)
        while rows := deployment.shadow.waiting("2", place, BATCH_ROWS):
            deployment.shadow.add("2", scores_of(bundle, rows))
            place = LogPosition(rows[-1].ingested_at, rows[-1].request_id)

    return timed(log), timed(score)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with temporary_settings(log_prediction_share=0.0) as settings:
        deployment = train_versions(settings, 2)
        logged, scored = shadow_rate(deployment)
        loads = load_in_turn(settings, chosen.seconds, chosen.repeats)
    for shadow, load in loads.items():
        print(
            f"shadow {shadow:3}: {load.requests_per_second:,.0f} requests/s, p50 {load.p50_ms:.2f} ms, "
            f"p95 {load.p95_ms:.2f} ms, {load.n_failed} failed"
        )
    on, off = loads["on"], loads["off"]
    ratio = on.requests_per_second / off.requests_per_second
    print(f"ratio (on / off): requests/s {ratio:.2f}, p95 {on.p95_ms / off.p95_ms:.2f}")
    print(f"shadow process (read, score, write): {scored.text()}")
    print(f"logging the same rows: {logged.text()}; ratio {scored.processor_seconds / logged.processor_seconds:.2f}")


if __name__ == "__main__":
    main()
