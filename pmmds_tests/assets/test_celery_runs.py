"""Runs through Celery, with a real broker and a real worker, give the same results as embedded runs."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pmmds_assets.jobs import monitor_request
from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import SettingError
from pmmds_core.stores.database.tables import feature_histograms, histogram_watermarks
from pmmds_tests.harness.celery_platform import JOBS, CeleryPlatform, program
from pmmds_tests.harness.dagster_platform import DagsterPlatform
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.redis_broker import temporary_broker

pytestmark = [pytest.mark.scale, pytest.mark.process, pytest.mark.xdist_group("celery")]

ROOT = Path(__file__).parent.parent.parent
INSTANCE = ROOT / "deploy" / "celery" / "dagster.yaml"
# The start of Dagster takes most of this time.
AWAY_SECONDS = 300


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with temporary_broker() as url:
        yield url


@pytest.fixture(scope="module")
def platform(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryPlatform]:
    """A home with a worker that has executed a train_job."""
    built = CeleryPlatform.build(tmp_path_factory.mktemp("celery"), broker)
    with built.process([program("pmmds"), "celery-worker"], "worker.log", " ready.") as log:
        done = built.execute("train_job")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:] + log.read_text()[-4000:]
        yield built


def test_training_through_celery_and_in_process_gives_the_same_model(
    platform: CeleryPlatform, trained: tuple[DagsterPlatform, dg.ExecuteInProcessResult]
) -> None:
    assert digests(platform.deployment) == digests(trained[0].deployment)
    worker = (platform.home / "worker.log").read_text()
    taken = set(re.findall(r"Executing steps (\w+) in celery worker", worker))
    assert {"reference_data", "trained_model", "production_model"} <= taken, "the worker executed the steps"


def digests(deployment: Deployment) -> dict[str, str]:
    """Return the hexadecimal digests of all results of train_job."""
    version = deployment.production_version()
    rows = {
        kind: deployment.datasets.require(kind, "training_data").digest for kind in ("reference", "training", "holdout")
    }
    profile = deployment.profiles.bundle(version.version).profile
    return {**rows, "model": version.digest, "profile": profile.digest, "version": version.version}


def test_monitoring_through_celery_equals_embedded_monitoring(platform: CeleryPlatform) -> None:
    deployment = platform.deployment
    embedded = DagsterPlatform.build(platform.home, PMMDS_DAGSTER_EXECUTOR="in_process")
    embedded.log_rows(
        deployment.datasets.require("reference", "reference_data").read().sample(500, random_state=4), "c"
    )
    tags = dict(monitor_request(deployment, 24).tags)

    result = embedded.run("monitor_job", tags=tags)
    assert result.success
    by_default = platform.drift_bytes()

    with deployment.database.begin() as connection:
        connection.execute(feature_histograms.delete())
        connection.execute(histogram_watermarks.delete())
    done = platform.execute("monitor_job", tags)
    assert done.returncode == 0, done.stderr[-4000:]
    assert platform.drift_bytes() == by_default
    assert b'"n_current": 500' in by_default


def test_the_deployed_launcher_sends_whole_runs_to_a_worker(platform: CeleryPlatform) -> None:
    """The test uses the instance file in deploy/celery, a real daemon that dequeues the run, and a worker."""
    run_id = str(uuid.uuid4())
    tags = {**monitor_request(platform.deployment, 24).tags, "dagster-celery/queue": "runs"}
    launch = [program("dagster"), "job", "launch", "-m", JOBS, "-j", "monitor_job", "--run-id", run_id]
    with platform.instance_file(INSTANCE) as launched:
        queued = launched.finished([*launch, "--tags", json.dumps(tags)])
        assert queued.returncode == 0, queued.stderr[-4000:]
        worker = [program("pmmds"), "celery-worker", "--queue", "runs"]
        daemon = [program("dagster-daemon"), "run", "-m", JOBS]
        with launched.process(worker, "runs.log", " ready."), launched.process(daemon, "daemon.log", "daemons"):
            run = launched.ended_run(run_id)
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster-celery/task_id"]


def test_the_celery_instance_differs_only_in_its_run_launcher() -> None:
    own, project = (yaml.safe_load(path.read_text()) for path in (INSTANCE, ROOT / "dagster.yaml"))
    launcher = own.pop("run_launcher")
    assert own == project
    assert launcher["class"] == "CeleryRunLauncher"


def test_an_unreachable_broker_fails_the_run_in_time(platform: CeleryPlatform) -> None:
    port = free_port()
    away = CeleryPlatform(
        platform.home, {**platform.variables, "PMMDS_CELERY_BROKER_URL": f"redis://:secret@127.0.0.1:{port}/0"}
    )
    began = time.monotonic()
    done = away.execute("monitor_job", dict(monitor_request(away.deployment, 24).tags))
    assert time.monotonic() - began < AWAY_SECONDS
    assert done.returncode != 0
    sentence = f"The Celery broker at redis://:***@127.0.0.1:{port}/0 cannot be reached: "
    said = done.stdout + done.stderr
    assert sentence in said, said[-4000:]
    assert "secret" not in said

    worker = away.finished([program("pmmds"), "celery-worker"])
    assert worker.returncode == 1
    assert worker.stderr.startswith(f"Error: {sentence}")
    assert len(worker.stderr.splitlines()) == 1


def test_an_unsupported_broker_url_is_rejected() -> None:
    with pytest.raises(SettingError, match="expected a redis:// or amqp:// URL"):
        load_settings({"PMMDS_CELERY_BROKER_URL": "http://broker"})


def test_results_use_rabbitmq_queues_or_the_redis_backend() -> None:
    from pmmds_assets.executors import celery_arguments

    assert celery_arguments("amqp://rabbit//")["backend"] == "rpc://"
    assert celery_arguments("redis://r/1")["backend"] == "redis://r/1"


def test_the_celery_executor_is_used_only_if_the_setting_selects_it() -> None:
    from pmmds_assets.definitions import location_definitions

    for chosen in ("in_process", "multiprocess", "celery"):
        settings = load_settings({"PMMDS_DAGSTER_EXECUTOR": chosen})
        executor = location_definitions(settings=settings).executor
        assert isinstance(executor, dg.ExecutorDefinition)
        assert executor.name == chosen
