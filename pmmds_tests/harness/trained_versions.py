"""Trains model versions in a child process, so that tests of the service import no Dagster.

Not here: tests that inspect Dagster's runs (they use dagster_platform.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment


def trained(home: Path, *runs: Mapping[str, str], pythonpath: Path | None = None) -> Deployment:
    """Run `train_job` once per set of PMMDS_* variables, and return the deployment of the last run.

    Args:
        home: the PMMDS_HOME of every run.
        runs: the variables of each run. If empty, there is one run with the defaults.
        pythonpath: the folder with the modules to which the settings refer.
    """
    environments = [{"PMMDS_HOME": str(home), **run} for run in runs or ({},)]
    command = [sys.executable, "-m", "pmmds_tests.harness.trained_versions", json.dumps(environments)]
    variables = os.environ if pythonpath is None else {**os.environ, "PYTHONPATH": str(pythonpath)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    assert run.returncode == 0, run.stdout + run.stderr
    return Deployment(load_settings(environments[-1]))


def _main() -> None:
    from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of

    for environment in json.loads(sys.argv[1]):
        result = DagsterPlatform.build(Path(environment.pop("PMMDS_HOME")), **environment).run("train_job")
        if not result.success:
            raise SystemExit(str(errors_of(result)))


if __name__ == "__main__":
    _main()
