"""Measure a swap under load, from the alias move to the old version's last response, compared with a restart.

python -m benchmarks.bench_swap [--swaps 8] [--workers 2]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import httpx

from benchmarks.deployments import example_request, service_process, temporary_settings, train_versions, wait_for
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment

N_CLIENTS = 4
RECONNECT_EVERY = 20  # New connections spread the requests over all workers.


@dataclass
class Load:
    """A group of clients that send requests until they are stopped."""

    url: str
    body: dict[str, object]
    answers: list[tuple[float, str]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._send) for _ in range(N_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def last_answer_of(self, version: str) -> float:
        return max((at for at, v in self.answers if v == version), default=0.0)

    def _send(self) -> None:
        while not self._stop.is_set():
            with httpx.Client(trust_env=False, timeout=10) as client:
                for _ in range(RECONNECT_EVERY):
                    self._send_one(client)

    def _send_one(self, client: httpx.Client) -> None:
        try:
            response = client.post(self.url, json=self.body)
            response.raise_for_status()
            self.answers.append((time.time(), response.json()["model_version"]))
        except httpx.HTTPError as error:
            self.failures.append((time.time(), type(error).__name__))
            time.sleep(0.005)


def swap_seconds(deployment: Deployment, load: Load, old: str, new: str) -> float:
    """Move the alias, wait until the old version has been silent for a second, and return the swap time in seconds."""
    deployment.registry.move_alias(deployment.model_name, "production", new)
    moved = time.time()
    wait_for(lambda: load.last_answer_of(new) > moved and time.time() - load.last_answer_of(old) > 1.0, 30)
    return max(0.0, load.last_answer_of(old) - moved)


def measure_swaps(settings: Settings, deployment: Deployment, n_swaps: int) -> tuple[list[float], Load]:
    load = Load(predict_url(settings), example_request(settings))
    with service_process(settings):
        wait_for(lambda: ready(settings))
        with load.running():
            wait_for(lambda: len(load.answers) > 100)
            pairs = [("1", "2"), ("2", "1")] * n_swaps
            seconds = [swap_seconds(deployment, load, old, new) for old, new in pairs[:n_swaps]]
    return seconds, load


def measure_restart(settings: Settings) -> tuple[float, int]:
    """Restart the service, and return the longest gap in responses in seconds and the number of failed requests."""
    load = Load(predict_url(settings), example_request(settings))
    with load.running():
        with service_process(settings):
            wait_for(lambda: len(load.answers) > 100)
            ended = time.time()
        with service_process(settings):
            wait_for(lambda: load.answers[-1][0] > ended + 1.0 and ready(settings))
    answered = sorted(at for at, _ in load.answers)
    gap = max(after - before for before, after in pairwise(answered))
    return gap, sum(at > ended for at, _ in load.failures)


def predict_url(settings: Settings) -> str:
    return client_url(settings.http_host, settings.http_port, "/api/v1/predict")


def ready(settings: Settings) -> bool:
    try:
        return httpx.get(client_url(settings.http_host, settings.http_port, "/ready"), trust_env=False).is_success
    except httpx.HTTPError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with temporary_settings(serving_workers=chosen.workers) as settings:
        deployment = train_versions(settings, 2)
        seconds, load = measure_swaps(settings, deployment, chosen.swaps)
        gap, n_failed = measure_restart(settings)
    print(f"workers {chosen.workers}, clients {N_CLIENTS}, swaps {chosen.swaps}")
    print(
        f"alias move to last response of the old version: median {statistics.median(seconds):.2f} s, "
        f"maximum {max(seconds):.2f} s  (target 1 s)"
    )
    print(f"requests: {len(load.answers):,} answered, {len(load.failures)} failed  (target 0)")
    print(f"restart: {gap:.2f} s without a response, {n_failed:,} requests failed")
    print(f"ratio (swap / restart): {statistics.median(seconds) / gap:.3f}")


if __name__ == "__main__":
    main()
