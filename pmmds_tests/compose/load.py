"""Sends a request every few milliseconds during a fault, and records the request ids.

Not here: faults and assertions (test_compose.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

_PAUSE_SECONDS = 0.02
_MAX_REQUESTS = 20_000  # time limit that stops a hanging test


@dataclass
class Clients:
    """Background load: ids of answered requests (`answered`) and errors of the others (`failures`)."""

    service: str
    body: dict[str, Any]
    answered: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sending(self, name: str) -> Iterator[Clients]:
        """Send requests in the background with the ids `name`-1, `name`-2, …"""
        thread = threading.Thread(target=self._send, args=(name,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def wait_until(self, holds: Callable[[], bool], seconds: float, at_least: int = 100) -> None:
        """Wait until `holds()` is true and `at_least` more requests are answered; fail after `seconds`."""
        deadline, before = time.monotonic() + seconds, len(self.answered)
        while not (holds() and len(self.answered) >= before + at_least):
            assert time.monotonic() < deadline, f"not within {seconds:g} seconds; failures: {self.failures[-3:]}"
            time.sleep(0.1)

    def _send(self, name: str) -> None:
        with httpx.Client(base_url=self.service, timeout=30, trust_env=False) as client:
            for n in range(1, _MAX_REQUESTS):
                if self._stop.wait(_PAUSE_SECONDS):
                    return
                self._send_one(client, f"{name}-{n}")

    def _send_one(self, client: httpx.Client, request_id: str) -> None:
        try:
            answer = client.post("/api/v1/predict", json=self.body, headers={"X-Request-ID": request_id})
        except httpx.HTTPError as error:
            self.failures.append(f"{request_id}: {type(error).__name__} {error}")
            return
        if answer.is_success:
            self.answered.append(request_id)
        else:
            self.failures.append(f"{request_id}: {answer.status_code} {answer.text[:200]}")
