"""Measures a worker's memory during a flood, and the latency of predictions that are sent at the same time.

Not here: the floods (serving/faults/test_floods.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil

from pmmds_core.contracts.contract import Contract
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import PREDICT, example

LOOK_SECONDS = 0.01
MAX_FLOODS = 3


def worker_of(service: RunningService) -> psutil.Process:
    """Return the process of the service's only worker."""
    (worker,) = service.client.get("/model").json()["workers"]
    return psutil.Process(worker["pid"])


@dataclass
class Spent:
    """The worker's memory in bytes before the flood and at the peak, and the predictions' latencies and statuses."""

    first_bytes: int
    most_bytes: int
    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def more_bytes(self) -> int:
        return self.most_bytes - self.first_bytes

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)


@contextmanager
def watched(service: RunningService, contract: Contract) -> Iterator[Spent]:
    """Send predictions one after another on one connection within the block."""
    worker, stop = worker_of(service), threading.Event()
    resident = worker.memory_info().rss
    spent = Spent(resident, resident)

    def predict() -> None:
        with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            while not stop.wait(LOOK_SECONDS):
                began = time.monotonic()
                response = client.post(PREDICT, json=example(contract))
                spent.seconds.append(time.monotonic() - began)
                spent.statuses.append(response.status_code)
                if response.is_success:
                    spent.ids.append(response.json()["request_id"])

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            spent.most_bytes = max(spent.most_bytes, worker.memory_info().rss)

    threads = [threading.Thread(target=act) for act in (predict, look)]
    for thread in threads:
        thread.start()
    try:
        yield spent
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def watched_floods(
    service: RunningService, contract: Contract, flood: Callable[[], None], max_seconds: float
) -> list[Spent]:
    """Repeat a flood until no prediction takes `max_seconds`, at most MAX_FLOODS times, and return what each one spent.

    Another program on the machine may delay a single prediction, but a flood that delays predictions does so each time.
    """
    floods: list[Spent] = []
    while len(floods) < MAX_FLOODS and (not floods or floods[-1].longest >= max_seconds):
        with watched(service, contract) as spent:
            flood()
        floods.append(spent)
    return floods
