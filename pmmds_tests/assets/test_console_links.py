"""With PMMDS_CONSOLE_URL, asset metadata and notifications link to the console's pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pmmds_assets.console_links import console_metadata
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of, metadata_of
from pmmds_tests.harness.http_listener import listening
from pmmds_tests.harness.ports import free_port

CONSOLE = "https://pmmds.example/churn"


@pytest.fixture
def linked(trained_home: Path, tmp_path: Path) -> Callable[..., DagsterPlatform]:
    return lambda **variables: copy_of(trained_home, tmp_path, PMMDS_CONSOLE_URL=f"{CONSOLE}/", **variables)


def test_a_drift_report_and_its_notification_link_to_the_alert(linked: Callable[..., DagsterPlatform]) -> None:
    port = free_port()
    platform = linked(PMMDS_ALERT_URLS=f"json://127.0.0.1:{port}")
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 600, "migration", seed=3).frame
    platform.log_rows(rows, "d", with_labels=False)
    with listening(port) as target:
        result = platform.run("monitor_job", tags=platform.window_tags())
    assert result.success, errors_of(result)
    (alert,) = platform.deployment.alerts.open_alerts()
    assert metadata_of(result, "drift_report")["console"].value == f"{CONSOLE}/alerts/{alert.alert_id}"
    assert target.messages[0]["message"].endswith(f" {CONSOLE}/alerts/{alert.alert_id}")


def test_a_decision_and_the_production_model_link_to_their_pages(linked: Callable[..., DagsterPlatform]) -> None:
    platform = linked()
    result = platform.run("train_job", selection=["promotion_decision", "production_model"])
    assert result.success, errors_of(result)
    decision = platform.deployment.decisions.recent(1)[0]
    assert metadata_of(result, "promotion_decision")["console"].value == f"{CONSOLE}/decisions/{decision.decision_id}"
    assert metadata_of(result, "production_model")["console"].value == f"{CONSOLE}/versions/1"


def test_without_the_setting_there_is_no_link(trained_home: Path, tmp_path: Path) -> None:
    assert console_metadata(copy_of(trained_home, tmp_path).deployment, "/alerts/1") == {}
