"""Two workers with an admin token serve promoted and rolled back versions, and reject damaged ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.models.bundle import SCORER
from pmmds_core.stores.lifecycle.service_counters import service_totals
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.harness.service_requests import (
    FEEDBACK,
    PREDICT,
    TOKEN,
    all_logged,
    example,
    predicted,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

# A service follows the alias within seconds, but it gets a minute on a busy machine with four clients.
FOLLOW_SECONDS = 60.0


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def registered_scorer(deployment: Deployment, version: str) -> Path:
    run_id = deployment.registry.get_version(deployment.model_name, version).run_id
    (path,) = (deployment.settings.home_path / "mlartifacts").rglob(f"{run_id}/artifacts/bundle/{SCORER}")
    return path


def test_a_damaged_version_is_rejected_and_the_live_one_keeps_serving(
    shared_service: RunningService, two_versions: Deployment, contract: Contract, move_production: Callable[[str], None]
) -> None:
    client, scorer_file = shared_service.client, registered_scorer(two_versions, "2")
    flip_a_byte(scorer_file)
    try:
        move_production("2")
        refused = client.post("/model/reload")
    finally:
        flip_a_byte(scorer_file)
    assert refused.status_code == 503
    (problem,) = refused.json()["detail"]["errors"]
    assert f"The model file {SCORER}" in problem
    assert "does not match its sha256" in problem
    registry = client.get("/healthz").json()["parts"]["registry"]
    assert (registry["status"], registry["problem"]) == ("problem", problem)
    assert client.post(PREDICT, json=example(contract)).json()["model_version"] == "1"
    assert client.post("/model/reload").json()["version"] == "2"  # works again because the files were restored
    wait_until(lambda: client.get("/healthz").json()["parts"]["registry"]["problem"] == "")


def test_a_damaged_cached_bundle_is_downloaded_again(
    shared_service: RunningService, two_versions: Deployment, move_production: Callable[[str], None]
) -> None:
    cached = shared_service.home / "model_cache" / two_versions.model_name / "2"
    two_versions.registry.download_bundle(two_versions.model_name, "2", cached)
    flip_a_byte(cached / SCORER)
    n_told = shared_service.output.count("cached_model_damaged")  # by earlier tests
    move_production("2")
    assert shared_service.client.post("/model/reload").json()["version"] == "2"
    wait_until(lambda: shared_service.output.count("cached_model_damaged") > n_told)


@dataclass
class Load:
    """Clients that send requests without pause and store every response."""

    url: str
    payload: dict[str, Any]
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            while not self._done.is_set():
                try:
                    response = client.post(PREDICT, json=self.payload)
                    self.answers.append((response.status_code, response.json()))
                except httpx.HTTPError as error:
                    self.failures.append(error)

    def last_versions(self, n_answers: int) -> set[str]:
        return {answer.get("model_version", "") for _, answer in self.answers[-n_answers:]}


def serves_anew(service: RunningService, version: str) -> bool:
    """Return True if all workers serve the version after a registry poll that starts now.

    A poll that started before the alias moved could restore the previous test's version.
    """
    reloaded = service.client.post("/model/reload", headers=TOKEN)
    return reloaded.status_code == 200 and reloaded.json()["version"] == version and service.all_workers_serve(version)


def test_no_request_fails_during_a_promotion_under_load(
    guarded: RunningService, contract: Contract, move_production: Callable[[str], None]
) -> None:
    move_production("1")
    wait_until(lambda: serves_anew(guarded, "1"))
    with Load(guarded.url, example(contract)) as load:
        wait_until(lambda: len(load.answers) > 50)
        move_production("2")
        started = time.monotonic()
        wait_until(lambda: load.last_versions(50) == {"2"})
        seconds = time.monotonic() - started
        assert guarded.client.post("/model/reload", headers=TOKEN).json()["version"] == "2"
    assert load.failures == []
    assert {status for status, _ in load.answers} == {200}
    assert seconds < FOLLOW_SECONDS
    ids = {answer["request_id"]: answer["model_version"] for _, answer in load.answers}
    assert set(ids.values()) == {"1", "2"}
    wait_until(all_logged(guarded.deployment(), list(ids)))
    logged = guarded.deployment().prediction_log.find(ids)
    assert {request_id: record.model_version for request_id, record in logged.items()} == ids
    assert guarded.all_workers_serve("2")


def test_no_request_fails_during_a_rollback_under_load(
    guarded: RunningService, two_versions: Deployment, contract: Contract, move_production: Callable[[str], None]
) -> None:
    move_production("1")
    wait_until(lambda: serves_anew(guarded, "1"))
    with Load(guarded.url, example(contract)) as load:
        wait_until(lambda: len(load.answers) > 50)
        roll_back(two_versions, to="2", by="Ada")
        wait_until(lambda: load.last_versions(50) == {"2"})
        started = time.monotonic()
        decision = roll_back(two_versions, by="Ada", reason="v2 is slow")
        wait_until(lambda: load.last_versions(50) == {"1"})
        seconds = time.monotonic() - started
    assert (decision.kind, decision.challenger_version, decision.state) == ("rollback", "1", "recorded")
    assert load.failures == []
    assert {status for status, _ in load.answers} == {200}
    ids = {answer["request_id"]: answer["model_version"] for _, answer in load.answers}
    assert len(ids) == len(load.answers)
    wait_until(all_logged(guarded.deployment(), list(ids)))
    assert seconds < FOLLOW_SECONDS


def test_the_rollback_check_reads_the_service_counters(shared_service: RunningService, contract: Contract) -> None:
    before = service_totals(shared_service.settings)
    assert before is not None
    for _ in range(5):
        predicted(shared_service.client, contract)
    shared_service.client.post(PREDICT, json={"features": {}})

    def more() -> tuple[int, int]:
        now = service_totals(shared_service.settings)
        assert now is not None
        return now.n_requests - before.n_requests, now.n_errors - before.n_errors

    wait_until(lambda: more() == (6, 0))  # a rejected payload is a client error, not a failure of the service


def test_feedback_and_prediction_may_reach_different_workers(guarded: RunningService, contract: Contract) -> None:
    for _ in range(10):
        with httpx.Client(base_url=guarded.url, trust_env=False, timeout=60) as one:
            request_id = predicted(one, contract)
        with httpx.Client(base_url=guarded.url, trust_env=False, timeout=60) as two:
            body = {"items": [{"request_id": request_id, "label": 1}]}
            assert two.post(FEEDBACK, json=body, headers=TOKEN).json()["accepted"] == 1


def test_metrics_are_summed_over_all_workers(guarded: RunningService, contract: Contract) -> None:
    before = n_predictions(guarded)
    for _ in range(20):
        with httpx.Client(base_url=guarded.url, trust_env=False, timeout=60) as client:
            predicted(client, contract)
    assert n_predictions(guarded) == before + 20


def n_predictions(service: RunningService) -> float:
    """Return the sum over all workers. Each one is scraped, which publishes its pending counts."""
    workers = {worker["pid"] for worker in service.client.get("/model").json()["workers"]}
    asked: set[int] = set()
    found: list[float] = []

    def all_were_asked() -> bool:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:  # a new one
            answer = client.get("/metrics/json")
            asked.update(pid for pid in workers if answered_by(answer, pid))
        samples = answer.json().get("pmmds_predictions", {"samples": []})["samples"]
        found.append(sum(s["value"] for s in samples if s["name"] == "pmmds_predictions_total"))
        return asked == workers

    wait_until(all_were_asked)
    return found[-1]


def answered_by(answer: httpx.Response, pid: int) -> bool:
    """Return True if this process handled the connection of the response."""
    own = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
    return any(own in c.raddr for c in psutil.Process(pid).net_connections(kind="tcp"))


@pytest.mark.parametrize(("path", "body"), [("/model/reload", {}), (FEEDBACK, {"items": []})])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer open"}, {"Authorization": "Basic b3Blbg=="}])
def test_endpoints_that_change_state_require_the_admin_token(
    guarded: RunningService, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    response = guarded.client.post(path, json=body, headers=headers)
    assert response.status_code == 401
    assert response.json()["detail"] == {
        "message": "Not allowed",
        "errors": ["Send the header Authorization: Bearer PMMDS_ADMIN_TOKEN"],
        "warnings": [],
    }


def test_the_admin_token_is_in_no_response_or_log(guarded: RunningService) -> None:
    answers = [guarded.client.get(path).text for path in ("/", "/healthz", "/model", "/openapi.json", "/metrics")]
    assert not [text for text in [*answers, guarded.output] if "sesame" in text]


def test_reload_works_after_the_clock_was_set_back(shared_service: RunningService, two_versions: Deployment) -> None:
    assert shared_service.client.post("/model/reload").json()["version"] == "1"
    folder = shared_service.home / "model_cache" / two_versions.model_name
    in_an_hour = time.time_ns() + 3_600_000_000_000
    request = folder / "reload-request.json"
    unfinished = folder / ".reload-request.json.test"
    unfinished.write_text(f'{{"asked_at": {in_an_hour}, "id": "asked before the clock was set back"}}')
    unfinished.replace(request)
    handled = ("asked before the clock was set back", str(in_an_hour))
    wait_until(lambda: any(reported in (folder / "watcher.json").read_text() for reported in handled))
    n_told = shared_service.output.count("cached_model_damaged")
    flip_a_byte(folder / "1" / SCORER)
    assert shared_service.client.post("/model/reload").json()["version"] == "1"
    wait_until(lambda: shared_service.output.count("cached_model_damaged") > n_told)
