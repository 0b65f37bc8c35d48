"""The overview page counts the predictions of the last 24 hours in the prediction log, before any drift check."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from pmmds_console.application import make_application
from pmmds_console.pages import overview
from pmmds_core.deployment import Deployment
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.prediction_records import make_records

HOUR = timedelta(hours=1)
FIGURE = "<dt>Predictions in 24 hours</dt><dd>{}<small>"


@pytest.fixture
def console(deployment: Deployment) -> Iterator[RunningConsole]:
    settings = deployment.settings
    with running_console(console_environment(settings.home, PMMDS_DATABASE_URL=settings.database_url)) as running:
        yield running


def log_hourly(deployment: Deployment, n_records: int, newest: datetime, prefix: str) -> list[datetime]:
    """Log one prediction per hour. Return their times."""
    start = newest - (n_records - 1) * HOUR
    records = make_records(deployment.contract, n_records, start=start, step=HOUR, prefix=prefix)
    deployment.prediction_log.append(records)
    return [record.predicted_at for record in records]


@pytest.mark.process
def test_the_first_predictions_are_counted_at_once(console: RunningConsole, deployment: Deployment) -> None:
    def page() -> str:
        return httpx.get(console.url, headers=BROWSER, timeout=60, trust_env=False).text

    assert FIGURE.format(0) in page()
    now = datetime.now(UTC)
    log_hourly(deployment, 1, now, "first")
    assert FIGURE.format(1) in page()
    # The time of each prediction is half an hour away from the limit of 24 hours.
    times = log_hourly(deployment, 40, now - HOUR / 2, "more")
    n_day = 1 + sum(now - at < 24 * HOUR for at in times)
    assert n_day == 25
    assert FIGURE.format(n_day) in page()
    assert "No hour has been counted yet." in page()


def test_more_predictions_than_are_counted_are_a_lower_bound(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_hourly(deployment, 8, datetime.now(UTC), "row")
    application: Any = make_application(deployment)
    client = TestClient(application, base_url="http://127.0.0.1", headers=BROWSER)
    monkeypatch.setattr(overview, "MAX_COUNTED", 9)
    assert FIGURE.format(8) in client.get("/").text
    monkeypatch.setattr(overview, "MAX_COUNTED", 5)
    assert FIGURE.format("at least 5") in client.get("/").text
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    counted = {(hour - 30 * HOUR, "1"): 900, (hour - HOUR, "1"): 600, (hour, "2"): 50}
    monkeypatch.setattr(overview, "hourly_rows", lambda *_: counted)
    assert FIGURE.format("at least 650") in client.get("/").text
