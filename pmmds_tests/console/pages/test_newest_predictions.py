"""The predictions page lists the newest predictions, each with a link to its own page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from pmmds_console.application import make_application
from pmmds_console.pages.predictions import MAX_LISTED
from pmmds_core.deployment import Deployment
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.prediction_records import make_records


def test_the_newest_predictions_are_listed_first(deployment: Deployment) -> None:
    application: Any = make_application(deployment)
    client = TestClient(application, base_url="http://127.0.0.1", headers=BROWSER)
    assert "No prediction is in the database." in client.get("/predictions").text
    start = datetime.now(UTC) - timedelta(hours=2)
    records = make_records(deployment.contract, MAX_LISTED + 5, start=start, step=timedelta(minutes=1))
    deployment.prediction_log.append(records)
    page = client.get("/predictions").text
    newest = sorted(records, key=lambda record: record.predicted_at, reverse=True)[:MAX_LISTED]
    assert re.findall(r'<a href="\?id=([^"]+)"><code>', page) == [record.request_id for record in newest]
    assert f'<td class="n">{newest[0].probability:.4f}</td>' in page
    assert "Newest predictions" not in client.get("/predictions?id=none").text
