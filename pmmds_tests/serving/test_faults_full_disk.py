"""The whole home on a disk that fills up: the workers live, refuse with a name, and answer again when there is room."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.shared_counts import RESERVED_BYTES, counts_folder
from pmmds_serving.shipper_process import RUN_FOLDER
from pmmds_tests.serving.load import logged_once
from pmmds_tests.serving.running import running_service, wait_until
from pmmds_tests.serving.small_disk import mounted
from pmmds_tests.serving.test_faults_processes import workers_of

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]
NEW_LABELS = ("no-such-page", "healthz", "model", "metrics", "docs", "openapi.json")


@pytest.fixture
def small_home(tmp_path: Path) -> Iterator[Path]:
    """A home on a file system of its own."""
    with mounted(tmp_path / "disk", "48m") as folder:
        yield folder / "home"


def fill(folder: Path) -> Path:
    """A file that takes the last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            _write_until_full(file.write, bytes(size))
    return filler


def _write_until_full(write: Callable[[bytes], int], block: bytes) -> None:
    try:
        while write(block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def test_a_full_disk_ends_no_worker_and_loses_no_answer(
    prepared: Prepare, contract: Contract, small_home: Path
) -> None:
    environment = prepared(small_home, PMMDS_SERVING_WORKERS="2", PMMDS_LOG_LEVEL="warning")
    body = {"features": contract.example()}
    answered: list[str] = []

    def ask() -> httpx.Response:
        answer = service.client.post("/api/v1/predict", json=body)
        if answer.is_success:
            answered.append(answer.json()["request_id"])
        return answer

    with running_service(environment) as service:
        wait_until(lambda: len(workers_of(service, contract)) == 2)
        workers = workers_of(service, contract)
        assert ask().is_success
        counts = list(counts_folder(small_home / RUN_FOLDER).iterdir())
        assert {path.stat().st_blocks * 512 for path in counts} == {RESERVED_BYTES}
        filler = fill(small_home)
        wait_until(lambda: ask().status_code == httpx.codes.SERVICE_UNAVAILABLE)
        for _ in range(50):
            refused = ask()
            assert refused.status_code in {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}, refused.text
            # Counts under labels that no worker has counted under before.
            service.client.post("/api/v1/predict/batch", json={"instances": [contract.example()] * 3})
            service.client.post("/api/v1/predict", json={"features": {}})
            for path in NEW_LABELS:
                service.client.get(f"/{path}")
        assert "No space left on device" in refused.text
        assert workers_of(service, contract) == workers, service.output
        filler.unlink()
        wait_until(lambda: ask().is_success)
        wait_until(lambda: logged_once(service.deployment(), answered))
        assert workers_of(service, contract) == workers
