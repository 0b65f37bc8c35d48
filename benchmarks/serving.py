"""Measure speed and memory of the service, compared with FastAPI + scikit-learn and a constant uvicorn response.

python -m benchmarks.serving [--seconds 8] [--repeats 3]   (needs wrk)

PMMDS durably logs every row during the measurement, whereas the alternatives store nothing. Runs alternate, and the
medians are printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import httpx
import msgspec
import psutil

from benchmarks.deployments import (
    example_request,
    is_answered,
    service_process,
    temporary_settings,
    train_versions,
    wait_for,
)
from benchmarks.load import Load, wrk
from benchmarks.serving_peers import CONSTANT_PEER, DATAFRAME_PEER, uvicorn_peer
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment

N_BATCH = 1000


@contextmanager
def our_service(settings: Settings, workers: int) -> Iterator[str]:
    """Run the service, wait until its model is loaded, and yield its base URL."""
    chosen = msgspec.structs.replace(settings, serving_workers=workers)
    base = client_url(settings.http_host, settings.http_port)
    with service_process(chosen):
        wait_for(lambda: is_answered(f"{base}/api/v1/predict", example_request(settings)))
        wait_for(lambda: len(httpx.get(f"{base}/model", trust_env=False).json()["workers"]) == workers)
        yield base


def median_load(loads: Sequence[Load]) -> Load:
    return sorted(loads, key=lambda load: load.requests_per_second)[len(loads) // 2]


def serving_workers(base: str) -> list[psutil.Process]:
    pids = [w["pid"] for w in httpx.get(f"{base}/model", trust_env=False).json()["workers"]]
    return [psutil.Process(pid) for pid in pids]


def one_worker(settings: Settings, seconds: float, repeats: int) -> dict[str, Load]:
    """Send load to PMMDS, FastAPI and the constant response in turn, on 8 connections."""
    body = example_request(settings)
    folder = settings.home_path / "peers"
    frame = DATAFRAME_PEER.format(uri=settings.resolved_tracking_uri, name=Deployment(settings).model_name)
    found: dict[str, list[Load]] = {}
    with ExitStack() as stack:
        urls = {
            "PMMDS, every row logged": stack.enter_context(our_service(settings, 1)) + "/api/v1/predict",
            "FastAPI + scikit-learn, no log": stack.enter_context(uvicorn_peer(folder, "frame", frame, body)),
            "constant answer, raw ASGI": stack.enter_context(uvicorn_peer(folder, "constant", CONSTANT_PEER, body)),
        }
        for _ in range(repeats):
            for name, url in urls.items():
                found.setdefault(name, []).append(wrk(url, body, connections=8, seconds=seconds))
    return {name: median_load(loads) for name, loads in found.items()}


def two_workers(settings: Settings, seconds: float, repeats: int) -> tuple[Load, list[float]]:
    """Send load to two workers on 32 connections, and also return each worker's share of the processor time."""
    body = example_request(settings)
    with our_service(settings, 2) as base:
        workers = serving_workers(base)
        before = [sum(w.cpu_times()[:2]) for w in workers]
        loads = [wrk(f"{base}/api/v1/predict", body, connections=32, seconds=seconds) for _ in range(repeats)]
        used = [sum(w.cpu_times()[:2]) - b for w, b in zip(workers, before, strict=True)]
    return median_load(loads), [u / sum(used) for u in used]


def batches(settings: Settings, seconds: float) -> tuple[Load, float, float]:
    """Send batches of 1,000 rows on one connection, and return the load, the rows per second and the worker's MB."""
    rows = {"instances": [example_request(settings)["features"]] * N_BATCH}
    with our_service(settings, 1) as base:
        load = wrk(f"{base}/api/v1/predict/batch", rows, connections=1, seconds=seconds)
        memory = serving_workers(base)[0].memory_info().rss / 1e6
    return load, load.requests_per_second * N_BATCH, memory


def idle_memory(settings: Settings) -> float:
    """Return the worker's resident memory in MB after one prediction."""
    with our_service(settings, 1) as base:
        return float(serving_workers(base)[0].memory_info().rss / 1e6)


def logged_rows(settings: Settings) -> int:
    return Deployment(settings).prediction_log.count()


def line(name: str, load: Load, note: str = "") -> None:
    print(
        f"{name:34} {load.requests_per_second:9,.0f}/s   p50 {load.p50_ms:7.2f}  p95 {load.p95_ms:7.2f}  "
        f"p99 {load.p99_ms:7.2f}  max {load.max_ms:7.1f} ms   failed {load.n_failed}   {note}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["one", "two", "batch", "memory"], default=None)
    chosen = parser.parse_args()
    with temporary_settings(log_level="info") as settings:
        train_versions(settings, 1)
        parts: dict[str, Callable[[], None]] = {
            "one": lambda: show_one(settings, chosen.seconds, chosen.repeats),
            "two": lambda: show_two(settings, chosen.seconds, chosen.repeats),
            "batch": lambda: show_batches(settings, chosen.seconds),
            "memory": lambda: print(f"worker's memory after one prediction: {idle_memory(settings):.0f} MB"),
        }
        for name, show in parts.items():
            if chosen.only in (None, name):
                show()


def show_one(settings: Settings, seconds: float, repeats: int) -> None:
    print("8 connections, 1 worker")
    found = one_worker(settings, seconds, repeats)
    for name, load in found.items():
        line(name, load)
    ours, frame, constant = found.values()
    print(f"ratio to FastAPI + scikit-learn: {ours.requests_per_second / frame.requests_per_second:.1f}  (target 40)")
    print(f"ratio to the constant response:  {ours.requests_per_second / constant.requests_per_second:.2f}  (0.25)")


def show_two(settings: Settings, seconds: float, repeats: int) -> None:
    load, shares = two_workers(settings, seconds, repeats)
    print("32 connections, 2 workers")
    line("PMMDS, every row logged", load, "share of load " + ", ".join(f"{s:.0%}" for s in shares))


def show_batches(settings: Settings, seconds: float) -> None:
    load, rows, memory = batches(settings, seconds)
    line(f"batches of {N_BATCH:,}", load, f"{rows:,.0f} rows/s (target 50,000), worker {memory:.0f} MB")


if __name__ == "__main__":
    main()
