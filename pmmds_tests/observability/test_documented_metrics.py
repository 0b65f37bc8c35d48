"""docs/observability.md lists exactly the metrics of the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_serving.http.service_gauges import state_families
from pmmds_serving.metrics.loop_metrics import loop_families
from pmmds_serving.worker import build_worker
from pmmds_tests.observability.deployed import ROOT


@pytest.fixture
def metric_names(tmp_path: Path) -> set[str]:
    """Return the metric names of an idle worker, as in /metrics."""
    worker = build_worker(Deployment(Settings(home=str(tmp_path), shadow="on")))
    families = [*worker.metrics.collect(), *state_families(worker), *loop_families(worker.deployment)]
    worker.spool.close()
    return {f"{f.name}_total" if f.type == "counter" else f.name for f in families}


def test_documented_metrics_equal_exposed_metrics(metric_names: set[str]) -> None:
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `pmmds_")]
    documented = {name for row in rows for name in re.findall(r"`(pmmds_\w+)`", row.split("|")[1])}
    assert documented == metric_names
