"""The asset graph has the right names, edges, descriptions, checks, schedules and sensors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pmmds_assets.definitions import defs

EDGES = {
    "reference_data": set(),
    "prediction_logs": set(),
    "ground_truth": set(),
    "labelled_predictions": {"prediction_logs", "ground_truth"},
    "training_data": {"reference_data", "labelled_predictions"},
    "trained_model": {"training_data"},
    "reference_profile": {"training_data", "trained_model"},
    "model_evaluation": {"training_data", "trained_model"},
    "promotion_decision": {"model_evaluation"},
    "production_model": {"promotion_decision"},
    "feature_histograms": {"prediction_logs"},
    "drift_report": {"feature_histograms", "reference_profile"},
    "shadow_report": {"prediction_logs", "trained_model"},
    "performance_report": {"labelled_predictions", "reference_profile"},
    "prediction_archive": {"prediction_logs"},
    "retention": {"prediction_archive"},
}
BLOCKING = {
    "reference_data:reference_follows_schema",
    "reference_data:expectations_are_met",
    "training_data:holdout_is_unseen",
    "trained_model:scorer_equals_pipeline",
}


def test_assets_and_edges_match_the_architecture() -> None:
    nodes = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): {p.to_user_string() for p in nodes.get(key).parent_keys}
        for key in nodes.get_all_asset_keys()
    }
    assert found == EDGES


@pytest.mark.parametrize("name", sorted(EDGES))
def test_every_asset_has_a_group_an_owner_kinds_and_a_description(name: str) -> None:
    spec = next(s for s in defs.resolve_all_asset_specs() if s.key == dg.AssetKey(name))
    assert spec.group_name in {"data", "training", "monitoring", "promotion"}
    assert list(spec.owners) == ["team:mlops"]
    assert spec.kinds
    assert spec.description
    assert len(spec.description) > 40


def test_required_checks_are_blocking() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {f"{k.asset_key.to_user_string()}:{k.name}" for k in graph.asset_check_keys if graph.get(k).blocking}
    assert blocking == BLOCKING


def test_required_schedules_and_sensors_are_enabled_by_default() -> None:
    repository = defs.get_repository_def()
    assert {s.name for s in repository.sensor_defs} >= {
        "drift_alert_sensor",
        "prediction_log_sensor",
        "alert_notification_sensor",
    }
    assert all(s.default_status == dg.DefaultSensorStatus.RUNNING for s in repository.sensor_defs)
    assert {s.name for s in repository.schedule_defs} == {
        "monitor_schedule",
        "performance_schedule",
        "archive_schedule",
    }
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in repository.schedule_defs)


def test_definitions_validate_passes_with_an_empty_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "pmmds_assets.definitions"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr
