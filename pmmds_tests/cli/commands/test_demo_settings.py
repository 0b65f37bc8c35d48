"""The demo uses no setting of a real deployment: no database, archive, notification target or webhook."""

from __future__ import annotations

from pathlib import Path

from pmmds_cli.commands.demo import _demo_settings
from pmmds_core.config.settings import Settings


def test_alerts_of_the_demo_reach_nobody(tmp_path: Path) -> None:
    real = Settings(
        alert_urls="json://pager.example",
        webhook_urls="https://hooks.example",
        archive_path="/archive",
        database_url="postgresql://db.example/pmmds",
        promotion_approval="manual",
    )
    demo = _demo_settings(real, tmp_path)
    assert (demo.alert_urls, demo.webhook_urls, demo.archive_path, demo.database_url) == ("", "", "", "")
    assert (demo.home, demo.promotion_approval) == (str(tmp_path), "automatic")
