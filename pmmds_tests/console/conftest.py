"""Fixtures: a small monitored deployment on each engine, and a real console process that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.workflows.daily_performance import refresh_days
from pmmds_core.workflows.monitoring import monitor
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.trained_versions import trained

N_ROWS = 600
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# One worker of pytest-xdist runs all tests of an engine, so that each deployment is built once.
ENGINES = (
    pytest.param("sqlite", marks=pytest.mark.xdist_group("console-sqlite")),
    pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("console-postgresql")]),
)


@pytest.fixture(scope="session", params=ENGINES)
def monitored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with a model, drifted traffic, labels, a drift report, an alert and a day's performance."""
    home = tmp_path_factory.mktemp("monitored") / "home"
    if request.param == "sqlite":
        yield _monitored(home, {})
        return
    with request.getfixturevalue("postgres_cluster").fresh_database() as url:
        yield _monitored(home, {"PMMDS_DATABASE_URL": url})


@pytest.fixture(scope="session")
def console(monitored: Deployment) -> Iterator[RunningConsole]:
    """A console on loopback, without a token."""
    settings = monitored.settings
    variables = {"PMMDS_DATABASE_URL": settings.database_url} if settings.database_url else {}
    with running_console(console_environment(settings.home, **variables)) as running:
        yield running


def _monitored(home: Path, variables: dict[str, str]) -> Deployment:
    if variables:
        empty = Deployment(Settings(home=str(home), database_url=variables["PMMDS_DATABASE_URL"]))
        migrate(open_database(empty.settings), empty.contract)
    deployment = trained(home, variables)
    now = datetime.now(UTC)
    _log_traffic(deployment, now)
    hour = now.replace(minute=0, second=0, microsecond=0)
    monitor(deployment, hour + HOUR - DAY, hour + HOUR, run_id="run-1")
    refresh_days(deployment, 2)
    return deployment


def _log_traffic(deployment: Deployment, now: datetime) -> None:
    """Log drifted rows and their labels in the same way as the service."""
    contract = deployment.contract
    frame = traffic_rows(packaged_generator(), contract, N_ROWS, "migration", seed=5).frame
    scorer = deployment.profiles.bundle("1").scorer
    records = [
        PredictionRecord(f"row-{i}", now, contract.model_name, "1", int(p >= 0.5), p, 0.3, tuple(row))
        for i, row in enumerate(rows_of(frame, contract))
        for p in [scorer.probability(row)]
    ]
    deployment.prediction_log.append(records)
    labels = zip(records, frame[contract.label.name], strict=True)
    deployment.ground_truth.add(LabelItem(record.request_id, int(label), now) for record, label in labels)
