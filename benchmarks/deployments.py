"""Creates temporary deployments for benchmarks: a `PMMDS_HOME` with models, and real processes on free ports.

Not here: measurements (bench_*.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pmmds_cli.processes.ports import any_free
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment


@contextmanager
def temporary_settings(**values: object) -> Iterator[Settings]:
    """Yield settings with free ports and an empty `PMMDS_HOME`, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="pmmds-bench-") as folder:
        ports = {name: any_free() for name in ("console_port", "http_port", "grpc_port", "dagster_port", "mlflow_port")}
        settings = Settings(home=str(Path(folder) / "home"), **ports, **values)  # type: ignore[arg-type]
        os.environ.update(settings.to_environment())
        yield settings


def migrate_database(settings: Settings) -> None:
    """Create the tables. On PostgreSQL, PMMDS does not create them automatically."""
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.stores.database.engine import open_database
    from pmmds_core.stores.database.schema import migrate

    database = open_database(settings)
    migrate(database, load_contract(settings.contract))
    database.close()


def train_versions(settings: Settings, n_versions: int) -> Deployment:
    """Run train_job `n` times. The first version is put into production, and the others are held."""
    from pmmds_cli.client.job_runner import run_job

    for _ in range(n_versions):
        run_job("train_job", settings)
    return Deployment(settings)


@contextmanager
def service_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run `pmmds serve` in a process."""
    environment = {**os.environ, **settings.to_environment()}
    log = settings.home_path / "bench-service.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "pmmds_serving"], env=environment, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def wait_for(holds: Callable[[], bool], seconds: float = 90.0, pause: float = 0.01) -> float:
    """Poll until the condition is true, and return the elapsed seconds.

    Raises:
        TimeoutError: the condition did not become true in time.
    """
    began = time.perf_counter()
    while not holds():
        if time.perf_counter() - began > seconds:
            raise TimeoutError(f"not reached within {seconds:g} s")
        time.sleep(pause)
    return time.perf_counter() - began


def is_success(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def example_request(settings: Settings) -> dict[str, object]:
    """Return a request body with the contract's examples."""
    return {"features": Deployment(settings).contract.example()}


def is_answered(url: str, body: object) -> bool:
    try:
        return httpx.post(url, json=body, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
