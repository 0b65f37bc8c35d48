"""Measure the time from an alert to the start of its retraining, compared with Dagster's default sensor interval.

python -m benchmarks.bench_alert_to_run [--alerts 6]
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta

from benchmarks.deployments import temporary_settings, train_versions, wait_for
from pmmds_cli.client.job_runner import shared_instance
from pmmds_cli.commands.service import start, stop
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment

# This is Dagster's default sensor interval (DEFAULT_SENSOR_DAEMON_INTERVAL).
DEFAULT_TICK_SECONDS = 30.0


def raise_alert(deployment: Deployment) -> int:
    """Store a report and an alert in the same way as monitor_job, and return the alert's id."""
    from pmmds_core.workflows.monitoring import monitor

    now = datetime.now(UTC)
    result = monitor(deployment, now - timedelta(hours=1), now, run_id="")
    report = deployment.drift.latest(deployment.model_name)
    assert report is not None
    assert result.alert_id is None, "no traffic was sent"
    raised = deployment.alerts.raise_or_extend(
        model_name=deployment.model_name,
        model_version=result.model_version,
        report_id=report.report_id,
        severity="major",
        message="raised by a benchmark",
    )
    return raised.alert_id


def seconds_to_start(settings: Settings, deployment: Deployment) -> float:
    """Open an alert, wait for its run and resolve it. The run ends as blocked, because there are no labels."""
    alert_id = raise_alert(deployment)
    opened = deployment.alerts.get(alert_id).opened_at.timestamp()
    wait_for(lambda: bool(deployment.retrainings.attempts_of(alert_id)) and not deployment.retrainings.running(), 120)
    run_id = deployment.retrainings.recent(1)[0].run_id
    started = shared_instance(settings).get_run_stats(run_id).start_time
    assert started is not None
    deployment.alerts.resolve(alert_id, by="benchmark")
    return started - opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=6)
    n_alerts = parser.parse_args().alerts
    with temporary_settings(retrain_max_per_day=1000) as settings:
        deployment = train_versions(settings, 1)
        try:
            start(settings)
            seconds = []
            for i in range(n_alerts):
                time.sleep(0.7 * i % 5)  # The alerts must not be in step with the sensor's interval.
                seconds.append(seconds_to_start(settings, deployment))
        finally:
            stop(settings)
    longest, median = max(seconds), statistics.median(seconds)
    launch = min(seconds)
    print(f"alert to start of run: median {median:.1f} s, maximum {longest:.1f} s of {n_alerts}  (target 15 s)")
    print(
        f"a sensor with Dagster's default interval of {DEFAULT_TICK_SECONDS:.0f} s waits "
        f"{DEFAULT_TICK_SECONDS / 2:.0f} s "
        f"on average before the same launch ({launch:.1f} s)"
    )
    print(f"ratio (PMMDS / default interval): {median / (DEFAULT_TICK_SECONDS / 2 + launch):.2f}")


if __name__ == "__main__":
    main()
