"""Writes every generated page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pmmds_tests.harness.docs_site.reference.assets import assets_page
from pmmds_tests.harness.docs_site.reference.commands import commands_page
from pmmds_tests.harness.docs_site.reference.http_apis import monitoring_page, prediction_page
from pmmds_tests.harness.docs_site.reference.metrics import metrics_page
from pmmds_tests.harness.docs_site.reference.protos import grpc_page
from pmmds_tests.harness.docs_site.reference.python_api import python_page
from pmmds_tests.harness.docs_site.reference.settings import settings_page
from pmmds_tests.harness.docs_site.reference.tables import tables_page

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "assets.md": assets_page,
    "metrics.md": metrics_page,
    "tables.md": tables_page,
    "prediction-api.md": prediction_page,
    "monitoring-api.md": monitoring_page,
    "grpc.md": grpc_page,
    "python.md": python_page,
}


def write_reference(target: Path) -> None:
    """Write every page to the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (target / name).write_text(make(), encoding="utf-8")
