"""A serving worker does not import libraries for training, monitoring or orchestration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import predicted

HEAVY = ("dagster", "mlflow", "pandas", "sklearn", "scipy", "matplotlib", "great_expectations", "skops")


@pytest.mark.parametrize("module", ["pmmds_serving.service", "pmmds_serving.__main__", "pmmds_serving.worker"])
def test_importing_the_service_loads_no_heavy_library(module: str) -> None:
    code = f"import json, sys; import {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert module.partition(".")[0] in loaded
    assert loaded.isdisjoint(HEAVY)


def test_no_test_of_the_service_imports_dagster() -> None:
    tests = Path(__file__).parent
    modules = [".".join(path.relative_to(tests.parents[1]).with_suffix("").parts) for path in tests.rglob("*.py")]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print('dagster' in sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert imported.stdout.strip() == "False"


@pytest.mark.process
@pytest.mark.xdist_group("service")
def test_a_worker_has_no_heavy_library_in_memory_after_a_prediction(service: RunningService) -> None:
    """Check the compiled modules in memory. The model watcher, which is another process, may load them."""
    predicted(service.client, service.deployment().contract)
    (worker,) = service.client.get("/model").json()["workers"]
    mapped = {part for m in psutil.Process(worker["pid"]).memory_maps() for part in Path(m.path).parts}
    assert "msgspec" in mapped
    assert mapped.isdisjoint(HEAVY)
