"""Disk space is reserved for the files of shared counters, and prometheus_client creates no other files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_core.errors import HomeNotWritableError
from pmmds_serving.metrics.shared_memory import RESERVED_BYTES, reserve

_COUNT_EVERYTHING = """
from prometheus_client import generate_latest
from pmmds_serving.metrics.counters import ServingMetrics, exposition
metrics = ServingMetrics()
metrics.answered("POST", "/api/v1/predict", 200, 0.001)
metrics.predicted("churn-classifier", "1", 1, 0.001, 0.7)
metrics.fold()
metrics.spool_backlog.set(7)
print(exposition(metrics.collect()).decode())
"""


def test_all_counters_are_in_reserved_files(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_EVERYTHING],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'pmmds_predictions_total{model_name="churn-classifier",model_version="1",prediction="1"} 1.0' in done.stdout
    assert "pmmds_spool_backlog_bytes 7.0" in done.stdout
    files = list(tmp_path.iterdir())
    assert {path.name.rpartition("_")[0] for path in files} == {"counter", "histogram", "summary", "gauge_livesum"}
    for path in files:
        stat = path.stat()
        assert stat.st_size == RESERVED_BYTES
        assert stat.st_blocks * 512 >= RESERVED_BYTES, "the file is sparse"


def test_existing_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "counter_7.db").write_bytes(b"counts")
    reserve(tmp_path, 7)
    assert (tmp_path / "counter_7.db").read_bytes() == b"counts"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_full_disk_raises_an_error_and_leaves_no_partial_file(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from pmmds_serving.metrics.shared_memory import reserve\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))\n"
        "reserve(Path(sys.argv[1]), 7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "HomeNotWritableError" in done.stderr
    assert f"{tmp_path}: File too large." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(HomeNotWritableError, match="counters"):
        reserve(tmp_path / "gone", 7)
