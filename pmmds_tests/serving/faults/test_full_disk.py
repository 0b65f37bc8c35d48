"""If the home's disk is full, workers keep running, reject predictions with a known error, and recover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.metrics.shared_memory import RESERVED_BYTES
from pmmds_serving.shipping.process import RUN_FOLDER, ShipperFiles
from pmmds_tests.harness.background_requests import logged_once
from pmmds_tests.harness.service_process import running_service, wait_until
from pmmds_tests.harness.small_disk import fill_disk, mounted
from pmmds_tests.serving.faults.test_processes import workers_of

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]
NEW_LABELS = ("no-such-page", "healthz", "model", "metrics", "docs", "openapi.json")


@pytest.fixture
def small_home(tmp_path: Path) -> Iterator[Path]:
    """A home on its own small file system."""
    with mounted(tmp_path / "disk", "48m") as folder:
        yield folder / "home"


def test_a_full_disk_neither_stops_workers_nor_loses_predictions(
    prepared: Prepare, contract: Contract, small_home: Path
) -> None:
    environment = prepared(small_home, PMMDS_SERVING_WORKERS="2", PMMDS_LOG_LEVEL="warning")
    body = {"features": contract.example()}
    answered: list[str] = []
    refused: list[str] = []

    def ask() -> httpx.Response:
        answer = service.client.post("/api/v1/predict", json=body)
        if answer.is_success:
            answered.append(answer.json()["request_id"])
        else:
            refused.append(answer.text)
        return answer

    def is_refused_when_full() -> bool:
        fill_disk(small_home)  # the shipper may have freed space
        return ask().status_code == httpx.codes.SERVICE_UNAVAILABLE

    def has_room_for_every_count() -> bool:
        counts = list((small_home / RUN_FOLDER / "bentoml" / "prometheus_multiproc_dir").iterdir())
        return {path.stat().st_blocks * 512 for path in counts} == {RESERVED_BYTES}

    with running_service(environment) as service:
        wait_until(lambda: len(workers_of(service, contract)) == 2)
        workers = workers_of(service, contract)
        assert ask().is_success
        wait_until(lambda: ShipperFiles(small_home / RUN_FOLDER).status.read() is not None)
        wait_until(has_room_for_every_count)  # the shipper creates these files just after its status file
        filler = fill_disk(small_home)
        wait_until(is_refused_when_full)
        for _ in range(50):
            answer = ask()
            assert answer.status_code in {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}, answer.text
            # These requests create counters with labels that no worker has used before.
            service.client.post("/api/v1/predict/batch", json={"instances": [contract.example()] * 3})
            service.client.post("/api/v1/predict", json={"features": {}})
            for path in NEW_LABELS:
                service.client.get(f"/{path}")
        assert "No space left on device" in refused[-1]
        assert workers_of(service, contract) == workers, service.output
        filler.unlink()
        wait_until(lambda: ask().is_success)
        wait_until(lambda: logged_once(service.deployment(), answered))
        assert workers_of(service, contract) == workers
