"""`pmmds retention` deletes what its dry run lists, and the dry run deletes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pmmds_tests.harness.command_line import pmmds


def removed(document: Any) -> dict[str, int]:
    return {row["kind"]: row["n_removed"] for row in document["removed"]}


def test_run_deletes_what_the_dry_run_listed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    reports = home / "reports"
    reports.mkdir(parents=True)
    for hour in range(3):
        page = reports / f"drift-20200101T0{hour}0000000000.html"
        page.write_text("page", encoding="utf-8")
        os.utime(page, (1_577_836_800 + hour, 1_577_836_800 + hour))
    shown = pmmds(home, "retention", "--dry-run", "--json").document
    assert removed(shown)["report pages"] == 2
    assert len(list(reports.iterdir())) == 3
    done = pmmds(home, "retention", "--json").document
    assert removed(done)["report pages"] == 2
    assert [path.name for path in reports.iterdir()] == ["drift-20200101T020000000000.html"]
