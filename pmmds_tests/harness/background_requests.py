"""Sends requests in the background during a fault, and records predictions and error statuses.

Not here: the faults (serving/faults) and the service (service_process.py).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_serving.shipping.dead_letters import DeadLetter
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.service_requests import PREDICT, example

N_CLIENTS = 3
# The number of requests per connection. Each new connection may reach another worker.
RECONNECT_EVERY = 20
# A live worker responds faster than this, even on a busy machine.
HANG_SECONDS = 3.0


class Load:
    """A group of clients that send prediction requests with their own ids, each of which is used once."""

    def __init__(self, url: str, contract: Contract) -> None:
        self._url = url
        self._body = example(contract)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(N_CLIENTS)]
        self.answered: list[str] = []
        self.refused: Counter[tuple[int, str]] = Counter()  # status and message
        self.n_cut_off = 0  # The connection was closed before a response arrived.
        self._sent: dict[str, float] = {}  # The start times of requests that have no response yet.

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def has_answered(self, n_more: int) -> Any:
        """Return a condition that is true once `n_more` further requests are answered."""
        before = len(self.answered)
        return lambda: len(self.answered) >= before + n_more

    def while_killing(self, pid_of_process: Callable[[], int]) -> set[int]:
        """Send requests while a process is killed three times, each time after it has restarted.

        Return the requests' ids.

        Args:
            pid_of_process: a function that returns the id of the running process, or 0 if there is none.
        """
        killed: set[int] = set()
        with self.running():
            for _ in range(3):
                wait_until(lambda: pid_of_process() not in {0, *killed})
                wait_until(self.has_answered(100))
                killed.add(pid := pid_of_process())
                psutil.Process(pid).kill()
            wait_until(self.has_answered(100))
        return killed

    def hangs(self) -> bool:
        """Return True if a request has waited longer than a live service takes to respond."""
        return any(time.monotonic() - began > HANG_SECONDS for began in list(self._sent.values()))

    def _send(self) -> None:
        while not self._stop.is_set():
            with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:
                for _ in range(RECONNECT_EVERY):
                    if not self._send_one(client):
                        break
            self._stop.wait(0.002)

    def _send_one(self, client: httpx.Client) -> bool:
        request_id = f"load-{uuid.uuid4().hex}"
        self._sent[request_id] = time.monotonic()
        try:
            response = client.post(PREDICT, json=self._body, headers={"X-Request-ID": request_id})
        except httpx.TransportError:
            self.n_cut_off += 1
            return False
        finally:
            del self._sent[request_id]
        if response.is_success:
            self.answered.append(request_id)
        else:
            self.refused[response.status_code, response.json()["detail"]["message"]] += 1
        return True


def logged_once(stores: Deployment, request_ids: list[str]) -> bool:
    """Return True if the prediction log has exactly one row for each id."""
    assert len(set(request_ids)) == len(request_ids)
    return stores.prediction_log.find(request_ids).keys() == set(request_ids)


def dead_letters_of(home: Path) -> list[DeadLetter]:
    """Return all dead letters in a home."""
    files = (home / "spool" / "dead-letters").glob("*.jsonl")
    return [msgspec.json.decode(line, type=DeadLetter) for path in files for line in path.read_bytes().splitlines()]


def metric(client: httpx.Client, sample: str) -> float:
    """Return a metric's value, summed over all its labels."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition(" ")[0].partition("{")[0] == sample)
