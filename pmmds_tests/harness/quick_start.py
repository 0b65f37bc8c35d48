"""Runs the README's quick start, step by step, on a running system.

Add new README steps here. Not here: starting and stopping the system.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from pmmds_tests.harness.command_line import Said

README = Path(__file__).parents[2] / "README.md"
RETRAIN_SECONDS, SWAP_SECONDS, LOGGED_SECONDS = 900.0, 300.0, 300.0


def readme_request() -> dict[str, Any]:
    """Return the request body of the README's first curl command."""
    text = README.read_text(encoding="utf-8")
    body = text.split("api/v1/predict -H 'Content-Type: application/json' -d '", 1)[1].split("'\n", 1)[0]
    document: dict[str, Any] = msgspec.json.decode(body)
    return document


def running_in(home: Path) -> list[int]:
    """Return the ids of this home's processes. The supervisor's grandchildren exit shortly after it."""
    found = psutil.process_iter(["environ"])
    return [p.pid for p in found if (p.info["environ"] or {}).get("PMMDS_HOME") == str(home)]


@dataclass
class QuickStart:
    """The README's quick start.

    `pmmds` runs one command on the system, and `service` is the URL of the public endpoints.
    """

    pmmds: Callable[..., Said]
    service: str
    seen: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Run all steps, from an empty system to predictions by a second version."""
        self.train()
        self.first_prediction()
        self.calm_traffic()
        self.drifted_traffic()
        self.await_promotion()
        self.await_answer_of("2")
        self.explain()

    def train(self) -> None:
        document = self._said("train", "--json").document
        assert document["promoted"] is True, document
        assert document["challenger_version"] == "1"

    def first_prediction(self) -> None:
        """Wait until the service has loaded the model, and request a prediction."""
        self._await(lambda: self._version() == "1", SWAP_SECONDS, "v1 is loaded")
        answer = self._predict()
        assert 0 < answer["probability"] < 1
        self.seen["first_request"] = answer["request_id"]

    def calm_traffic(self, n_before: int = 0) -> None:
        sent = self._said("traffic", "--count", "500", "--labels", "--json").document
        assert sent["n_requests"] == 500
        assert sent["feedback"]["unknown"] == 0
        self._await(lambda: self.n_logged() >= n_before + 500, LOGGED_SECONDS, "500 predictions are logged")
        assert self._said("monitor", "--json").document["verdict"] == "stable"

    def drifted_traffic(self, n_before: int = 500) -> None:
        sent = self._said("traffic", "--count", "1500", "--drift", "migration", "--labels", "--json").document
        assert sent["n_requests"] == 1500
        self._await(lambda: self.n_logged() >= n_before + 1500, LOGGED_SECONDS, "1,500 more are logged")
        report = self._said("monitor", "--json").document
        assert report["verdict"] == "drifted"
        assert report["alert_id"] is not None
        self.seen["alerted_at"] = time.monotonic()

    def await_promotion(self) -> None:
        """Wait for the retraining that Dagster's sensor starts."""
        self._await(lambda: self._promoted() == "2", RETRAIN_SECONDS, "the sensor's retraining is promoted")
        self.seen["alert_to_promotion_seconds"] = time.monotonic() - self.seen["alerted_at"]
        self._await(
            lambda: self._said("alerts", "list", "--json").document == [],
            LOGGED_SECONDS,
            "the promotion closes the alert",
        )

    def explain(self) -> None:
        document = self._said("explain", self.seen["first_request"], "--json").document
        assert document["decision"]["challenger_version"] == "1", document

    def await_answer_of(self, version: str) -> None:
        self._await(lambda: self._version() == version, SWAP_SECONDS, f"v{version} is loaded")
        assert self._predict()["model_version"] == version

    def n_logged(self) -> int:
        """Return the number of logged predictions, as `pmmds doctor` reports it."""
        (found,) = [p for p in self.pmmds("doctor", "--json").document if p["part"] == "database"]
        assert found["ok"], found
        return int(found["seen"].split("; ")[1].split()[0].replace(",", ""))

    def _promoted(self) -> str:
        decisions = self._said("decisions", "--json").document
        return next((d["challenger_version"] for d in decisions if d["promoted"]), "")

    def _predict(self) -> dict[str, Any]:
        answer = httpx.post(f"{self.service}/api/v1/predict", json=readme_request(), timeout=60, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def _version(self) -> str:
        try:
            answer = httpx.get(f"{self.service}/model", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return ""
        return str(answer.json()["version"]) if answer.is_success else ""

    def _said(self, *arguments: str) -> Said:
        said = self.pmmds(*arguments)
        assert said.code == 0, (
            f"pmmds {' '.join(arguments)} ended with {said.code}: {said.err[-2000:]}{said.out[-500:]}"
        )
        return said

    def _await(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds:g} seconds: {what}"
