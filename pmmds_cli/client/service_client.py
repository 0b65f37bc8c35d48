"""A client for the service's HTTP endpoints.

Not here: the rows that are sent (pmmds_core/synthetic/scenarios.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx

from pmmds_core.config.admin_token import read_token
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.errors import ServiceUnavailableError

_FEEDBACK_BATCH = 500
_THREADS = 4
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One returned prediction."""

    request_id: str
    probability: float
    prediction: int
    model_version: str


@dataclass(frozen=True)
class Feedback:
    """The label counts that the feedback endpoint reported."""

    accepted: int
    updated: int
    unknown: int


class ServiceClient:
    """An HTTP client for one service. Its methods raise ServiceUnavailableError unless documented otherwise."""

    def __init__(self, settings: Settings) -> None:
        self.base_url = client_url(settings.http_host, settings.http_port)
        # `pmmds up` may have created the token after the settings were read.
        token = settings.admin_token or read_token(settings.home_path)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Ignore the environment's proxy variables, because the service is on the local network.
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=10.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def predict(self, row: Row) -> Answer:
        """POST one row to /api/v1/predict."""
        body = self._post("/api/v1/predict", {"features": dict(row)})
        return Answer(body["request_id"], body["probability"], body["prediction"], body["model_version"])

    def predict_each(self, rows: Sequence[Row], on_answer: Callable[[int], None] = lambda _: None) -> list[Answer]:
        """Send one request per row, several in parallel, and return the responses in the order of the rows."""
        answers = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for n, answer in enumerate(pool.map(self.predict, rows), start=1):
                answers.append(answer)
                on_answer(n)
        return answers

    def send_labels(self, labels: Iterable[tuple[str, str]]) -> Feedback:
        """Send labels as pairs of request id and label value, with the current time as their observation time."""
        observed_at = datetime.now(UTC).isoformat()
        items = [{"request_id": r, "label": label, "observed_at": observed_at} for r, label in labels]
        totals = [0, 0, 0]
        for start in range(0, len(items), _FEEDBACK_BATCH):
            body = self._post("/api/v1/feedback", {"items": items[start : start + _FEEDBACK_BATCH]})
            for i, name in enumerate(("accepted", "updated", "unknown")):
                totals[i] += body[name]
        return Feedback(*totals)

    def model_version(self) -> str | None:
        """Return the version that GET /model reports, or None if there is no model or no response."""
        try:
            response = self._http.get("/model")
        except httpx.HTTPError:
            return None
        return str(response.json()["version"]) if response.status_code == httpx.codes.OK else None

    def is_ready(self) -> bool:
        try:
            return self._http.get("/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def health(self) -> Mapping[str, Any] | None:
        """Return the JSON of GET /healthz, even if the service is unhealthy, or None if there is no response."""
        try:
            document: Mapping[str, Any] = self._http.get("/healthz").json()
        except (httpx.HTTPError, ValueError):
            return None
        return document

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            response = self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise ServiceUnavailableError(
                f"The service at {self.base_url} did not respond ({type(error).__name__}).",
                next_step="Start it with `pmmds up` or `pmmds serve`, or set PMMDS_HTTP_HOST and PMMDS_HTTP_PORT.",
            ) from None
        if not response.is_success:
            raise ServiceUnavailableError(
                f"The service at {self.base_url} responded to {path} with {response.status_code}: {_detail(response)}"
            )
        return response.json()


def _detail(response: httpx.Response) -> str:
    """Return the message and the first errors of the service's error response."""
    try:
        detail = response.json()["detail"]
        return " ".join([detail["message"].rstrip(".") + ".", *detail["errors"][:5]])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


class BackgroundTraffic:
    """A background thread that sends requests and records responses and failures."""

    def __init__(self, client: ServiceClient, rows: Sequence[Row]) -> None:
        self._client = client
        self._rows = rows
        self._stop = threading.Event()
        self.n_answered = 0
        self.failures: list[str] = []
        self.answers: list[tuple[Answer, int]] = []

    def has_answer_of(self, version: str) -> bool:
        return any(answer.model_version == version for answer, _ in self.answers[-50:])

    @contextmanager
    def running(self) -> Iterator[BackgroundTraffic]:
        thread = threading.Thread(target=self._send, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _send(self) -> None:
        position = 0
        while not self._stop.wait(0.02):
            try:
                answer = self._client.predict(self._rows[position % len(self._rows)])
            except ServiceUnavailableError as error:
                self.failures.append(str(error))
            else:
                self.answers.append((answer, position % len(self._rows)))
                self.n_answered += 1
            position += 1
