"""Spool metrics are summed over the running workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pmmds_core.contracts.contract import Contract
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.shipping.dead_letters import dead_frame
from pmmds_serving.shipping.process import Publisher, ShipperFiles, ShipperStatus
from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.metrics import SpoolMetrics, forget_dead_workers
from pmmds_serving.spool.spool import Spool, SpoolLimits
from pmmds_tests.harness.prediction_records import make_records


def no_log() -> Any:
    raise AssertionError("no row is moved here")


def values(metrics: ServingMetrics) -> tuple[float | None, ...]:
    names = ("pmmds_spool_backlog_bytes", "pmmds_spool_dropped_total", "pmmds_dead_letters_total")
    return tuple(metrics.registry.get_sample_value(name) for name in names)


def test_spool_metrics_count_each_row_once(tmp_path: Path, contract: Contract) -> None:
    spool = Spool(tmp_path / "spool", contract.feature_names, SpoolLimits(8_000, "drop_oldest"))
    metrics = ServingMetrics()
    published = SpoolMetrics(metrics, spool, tmp_path / "run")
    published.publish()
    assert values(metrics) == (0, 0, 0)
    for record in make_records(contract, 60):
        spool.append([record])
    for _ in range(2):
        published.publish()
        assert values(metrics) == (spool.backlog_bytes, spool.n_dropped, 0)
    assert spool.n_dropped > 0


def test_the_shipper_publishes_each_state_once(tmp_path: Path, contract: Contract) -> None:
    shipper, files, metrics = (
        Shipper(tmp_path, no_log, contract.feature_names),
        ShipperFiles(tmp_path),
        ServingMetrics(),
    )
    publisher = Publisher(shipper, files, metrics)
    assert (files.status.read(), files.problem()) == (None, "")
    shipper.dead_letters.write([dead_frame(b"odd"), dead_frame(b"odder")])
    for _ in range(2):
        publisher.publish()
        assert files.status.read() == ShipperStatus(os.getpid())
        assert values(metrics)[2] == 2


def test_a_dead_shipper_is_reported_as_a_problem(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    files = ShipperFiles(tmp_path)
    files.status.write(ShipperStatus(gone.pid))
    assert "has exited" in files.problem()


def test_gauges_of_killed_workers_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    folder = tmp_path / "bentoml" / "metrics"
    folder.mkdir(parents=True)
    dead, own, counter = (
        folder / name
        for name in (f"gauge_livesum_{gone.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{gone.pid}.db")
    )
    for path in (dead, own, counter):
        path.touch()
    forget_dead_workers(tmp_path)
    assert [path.exists() for path in (dead, own, counter)] == [False, True, True]
