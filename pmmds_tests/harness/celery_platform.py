"""A home whose runs use Celery, with `dagster job execute`, a real worker and a real broker.

Not here: assertions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from pmmds_assets.instance.dagster_home import prepare_dagster_home
from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.tables import drift_reports, feature_histograms

RUN_SECONDS, START_SECONDS = 900, 300.0
JOBS = "pmmds_assets.definitions"


@dataclass(frozen=True)
class CeleryPlatform:
    """A home with a Celery broker. `variables` are the PMMDS_* variables of its processes."""

    home: Path
    variables: Mapping[str, str]

    @classmethod
    def build(cls, home: Path, broker: str, **more: str) -> CeleryPlatform:
        variables = {
            "PMMDS_HOME": str(home),
            "PMMDS_DAGSTER_EXECUTOR": "celery",
            "PMMDS_CELERY_BROKER_URL": broker,
            **more,
        }
        return cls(home, variables)

    @property
    def deployment(self) -> Deployment:
        return Deployment(load_settings(self.variables))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PMMDS_")}
        dagster_home = prepare_dagster_home(load_settings(self.variables))
        return {**inherited, **self.variables, "DAGSTER_HOME": str(dagster_home), "PYTHONUNBUFFERED": "1"}

    def execute(self, job: str, tags: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a job with `dagster job execute`. The executor sends the job's steps to the worker."""
        argv = [program("dagster"), "job", "execute", "-m", JOBS, "-j", job, "--tags", json.dumps(dict(tags or {}))]
        return self.finished(argv)

    def finished(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, env=self.environment, cwd=self.home, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
        )

    @contextmanager
    def instance_file(self, path: Path) -> Iterator[CeleryPlatform]:
        """Use another dagster.yaml within the block, and execute steps in the run's process."""
        own = prepare_dagster_home(load_settings(self.variables)) / "dagster.yaml"
        link = own.readlink()
        own.unlink()
        shutil.copy(path, own)
        try:
            yield replace(self, variables={**self.variables, "PMMDS_DAGSTER_EXECUTOR": "in_process"})
        finally:
            own.unlink()
            own.symlink_to(link)

    def ended_run(self, run_id: str) -> dg.DagsterRun:
        """Wait until the run has ended, and return the run."""
        deadline = time.monotonic() + RUN_SECONDS
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            while not (run := instance.get_run_by_id(run_id)) or not run.is_finished:
                assert time.monotonic() < deadline, f"the run is {run and run.status}"
                time.sleep(0.2)
        return run

    @contextmanager
    def process(self, argv: list[str], log_name: str, says: str) -> Iterator[Path]:
        """Run one of the platform's processes within the block, and yield the file with the process's output."""
        log = self.home / log_name
        with log.open("w") as stream:
            started = subprocess.Popen(
                argv, env=self.environment, cwd=self.home, stdout=stream, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while says not in log.read_text(errors="replace"):
                assert started.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.05)
            yield log
        finally:
            started.terminate()
            started.wait(timeout=START_SECONDS)

    def drift_bytes(self) -> bytes:
        """Return all stored histograms and the newest report's document, without creation times."""
        t = feature_histograms.c
        keys = (t.model_version, t.hour, t.feature)
        newest = sa.select(drift_reports.c.document).order_by(drift_reports.c.report_id.desc()).limit(1)
        with self.deployment.database.connect() as connection:
            counted = connection.execute(sa.select(*keys, t.profile_digest, t.counts, t.n_rows).order_by(*keys)).all()
            document = connection.execute(newest).scalar_one()
        return json.dumps([[list(row) for row in counted], document], default=str, sort_keys=True).encode()


def program(name: str) -> str:
    """Return the path of a program in this virtual environment."""
    return str(Path(sys.executable).with_name(name))
