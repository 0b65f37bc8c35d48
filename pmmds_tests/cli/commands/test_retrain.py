"""`pmmds retrain` follows the same retraining policy as the sensor."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_assets.retraining import Trigger, claim_attempt
from pmmds_cli.commands.retrain import _find_trigger
from pmmds_core.stores.lifecycle.retrainings import Attempt
from pmmds_tests.assets.test_sensors import raise_alert
from pmmds_tests.harness.dagster_platform import DagsterPlatform


def test_retrain_needs_a_trigger_or_force_and_respects_the_daily_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # monkeypatch restores the variable, which the command sets
    platform = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_MAX_PER_DAY="1")
    deployment = platform.deployment
    assert _find_trigger(deployment, is_forced=False) == ""
    assert _find_trigger(deployment, is_forced=True) == Trigger(True, "manual", None, 1)

    alert_id = raise_alert(platform)
    first = _find_trigger(deployment, is_forced=False)
    assert isinstance(first, Trigger)
    assert (first.trigger_type, first.alert_id, first.attempt) == ("manual", alert_id, 1)
    assert first.cause == f"alert:{alert_id}", "it counts as the alert's attempt"

    claim_attempt(deployment, first, "r1")
    assert _find_trigger(deployment, is_forced=True) == "A retraining is in progress."
    with deployment.database.begin() as connection:
        deployment.retrainings.record_failure(connection, Attempt("r1", "manual", 1, first.cause), "the disk is full")
    refused = _find_trigger(deployment, is_forced=False)
    assert isinstance(refused, str)
    assert "PMMDS_RETRAIN_MAX_PER_DAY" in refused
    forced = _find_trigger(deployment, is_forced=True)
    assert isinstance(forced, Trigger)
    assert forced.attempt == 2
