"""A small deployment with everything that the console shows: versions, drifted traffic, a report, an alert, a day.

Not here: fixtures (conftest.py), the console's process (pmmds_tests/harness/console_process.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from pmmds_tests.harness.trained_versions import trained

N_ROWS = 600
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def monitored_home(home: Path, variables: Mapping[str, str], *more: Mapping[str, str]) -> Deployment:
    """Train in an empty home, log drifted traffic of version 1 with labels, and monitor it.

    Args:
        home: PMMDS_HOME.
        variables: PMMDS_* variables of every training; empty for SQLite.
        more: additional variables of each further training.
    """
    if variables:
        empty = Deployment(Settings(home=str(home), database_url=variables["PMMDS_DATABASE_URL"]))
        migrate(open_database(empty.settings), empty.contract)
    deployment = trained(home, variables, *({**variables, **additional} for additional in more))
    now = datetime.now(UTC)
    _log_traffic(deployment, now)
    hour = now.replace(minute=0, second=0, microsecond=0)
    monitor(deployment, hour + HOUR - DAY, hour + HOUR, run_id="run-1")
    refresh_days(deployment, 2)
    return deployment


def _log_traffic(deployment: Deployment, now: datetime) -> None:
    """Log drifted rows as the service does, with their labels."""
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
