"""A command loads only the assets of its job, which equals the job in the code location."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pmmds_assets.definitions import defs
from pmmds_assets.jobs import all_jobs
from pmmds_assets.single_job import single_job

UNUSED = ("pmmds_assets.assets.model", "pmmds_assets.sensors", "antlr4", "mlflow", "pandas", "sklearn")


@pytest.mark.parametrize("name", [job.name for job in all_jobs])
def test_a_commands_job_equals_the_job_in_the_code_location(name: str) -> None:
    whole = defs.resolve_job_def(name)
    alone = single_job(name)
    assert alone.get_job_snapshot_id() == whole.get_job_snapshot_id()
    assert alone.tags == whole.tags


def test_unknown_job_raises_an_error() -> None:
    with pytest.raises(KeyError, match="no_such_job"):
        single_job("no_such_job")


def test_monitor_job_imports_neither_training_nor_sensors() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from pmmds_assets.single_job import single_job\n"
        "single_job('monitor_job')\n"
        f"print([name for name in {UNUSED!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
