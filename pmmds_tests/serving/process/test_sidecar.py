"""A sidecar exits if its worker exited during startup, so that it does not keep the home locked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pmmds_serving.model.watcher import MODULE as WATCHER
from pmmds_serving.shadow.process import MODULE as SHADOW
from pmmds_serving.shipping.process import MODULE as SHIPPER
from pmmds_tests.harness.command_line import environment_of
from pmmds_tests.harness.service_process import PATIENCE_SECONDS, has_ended, wait_until

# This worker is killed before its sidecar runs. The sidecar prints its process id first.
_START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from pmmds_core.config.settings import load_settings
from pmmds_serving.process.sidecar import Sidecar

late = ["sh", "-c", 'echo $$ >&2; while kill -0 "$0" 2>/dev/null; do sleep 0.05; done; exec "$@"', str(os.getpid())]
sidecar = Sidecar(sys.argv[1], Path(sys.argv[2]) / "lock", load_settings())
sidecar._argv = [*late, *sidecar._argv]
sidecar.ensure()
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_gone(pid: int) -> bool:
    try:
        return has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


@pytest.mark.process
@pytest.mark.parametrize("module", [WATCHER, SHIPPER, SHADOW])
def test_a_sidecar_exits_if_its_worker_has_already_exited(module: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _START_AND_DIE, module, str(tmp_path)]
    with subprocess.Popen(argv, env=environment_of(tmp_path / "home"), stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        pid = int(worker.stderr.readline())
        assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        try:
            wait_until(lambda: is_gone(pid))
        finally:
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        assert "Traceback" not in worker.stderr.read()
