"""Report pages are stored in the home and the registry; registry failures are reported without an exception."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.workflows.report_files import keep_with_model, write_report
from pmmds_tests.harness.ports import free_port

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_unavailable_registry_is_reported_without_an_exception(tmp_path: Path) -> None:
    deployment = Deployment(Settings(home=str(tmp_path), mlflow_tracking_uri=f"http://127.0.0.1:{free_port()}"))
    page = write_report(deployment, "drift", "<!doctype html>", NOW)
    assert keep_with_model(deployment, "1", page, "drift", copy="alert-1.html").startswith(
        "not stored: MLflow request failed (http://127.0.0.1"
    )


def test_an_unknown_model_version_is_reported_without_an_exception(tmp_path: Path) -> None:
    deployment = Deployment(Settings(home=str(tmp_path)))
    page = write_report(deployment, "drift", "<!doctype html>", NOW)
    assert keep_with_model(deployment, "7", page, "drift").startswith("not stored: churn-classifier has no version 7")


def test_writing_a_report_page_leaves_no_temporary_file(tmp_path: Path) -> None:
    page = write_report(Deployment(Settings(home=str(tmp_path))), "drift", "text", NOW)
    assert page.read_text(encoding="utf-8") == "text"
    assert [p.name for p in page.parent.iterdir()] == ["drift-20260301T120000000000.html"]
