"""Old files and rows are removed and those in use are kept; a year of monitoring has a bounded size."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import JUDGED, PENDING_APPROVAL
from pmmds_core.workflows.retention import KINDS, Expired, expire, storage_sizes
from pmmds_tests.core.stores.lifecycle.test_expired_rows import add_alert, add_reports

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NO_REGISTRY = {"PMMDS_RETENTION_MODELS_DAYS": "0"}
# The size of a report page; YEAR_BYTES adds a generous allowance for database rows.
PAGE_BYTES = 200_000
YEAR_BYTES = 90 * 24 * (PAGE_BYTES + 20_000) + 20_000_000


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(load_settings({"PMMDS_HOME": str(tmp_path / "home"), **NO_REGISTRY})).prepare()


def written(path: Path, at: datetime, content: bytes = b"x") -> Path:
    """Write a file with the given modification time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def removed(done: list[Expired]) -> dict[str, int]:
    return {e.kind: e.n_removed for e in done if e.n_removed}


def page(deployment: Deployment, kind: str, at: datetime) -> Path:
    return written(deployment.settings.home_path / "reports" / f"{kind}-{at:%Y%m%dT%H%M%S%f}.html", at)


def decide(deployment: Deployment, state: str, run_id: str, *, promoted: bool = True) -> None:
    deployment.decisions.save(
        kind="promotion",
        challenger="2",
        champion="1",
        promoted=promoted,
        reason="",
        improvement=None,
        details={},
        run_id=run_id,
        state=state,
    )


def test_old_report_pages_are_removed_except_the_newest_and_those_of_alerts(deployment: Deployment) -> None:
    old, newer = (page(deployment, "drift", NOW - days * DAY) for days in (100, 95))
    only = page(deployment, "performance", NOW - 300 * DAY)
    new = page(deployment, "drift", NOW)
    add_reports(deployment.database, 1)
    add_alert(deployment.database, 1, live=True)
    with deployment.database.begin() as connection:
        connection.exec_driver_sql("UPDATE drift_reports SET html_path = ?", (str(newer),))
    assert removed(expire(deployment, NOW, dry_run=True)) == {"report pages": 1}
    assert old.exists()
    assert removed(expire(deployment, NOW)) == {"report pages": 1}
    assert [p.exists() for p in (old, newer, only, new)] == [False, True, True, True]


def test_report_pages_since_a_pending_decision_are_kept(deployment: Deployment) -> None:
    decide(deployment, PENDING_APPROVAL, "r")
    kept = page(deployment, "evaluation-v2", datetime.now(UTC))
    gone = page(deployment, "evaluation-v2", datetime.now(UTC) - 2 * DAY)
    page(deployment, "evaluation-v2", datetime.now(UTC) + DAY)
    assert removed(expire(deployment, datetime.now(UTC) + 365 * DAY)) == {"report pages": 1}
    assert (kept.exists(), gone.exists()) == (True, False)


def test_old_validation_folders_are_removed_except_the_newest(deployment: Deployment) -> None:
    folders = [
        written(deployment.settings.home_path / "validation" / n / "schema.json", NOW - a * DAY).parent
        for n, a in (("a", 200), ("b", 150))
    ]
    assert removed(expire(deployment, NOW)) == {"validation pages": 1}
    assert [f.exists() for f in folders] == [False, True]


def test_leftovers_of_an_interrupted_removal_are_removed(deployment: Deployment) -> None:
    home = deployment.settings.home_path / "validation"
    left = written(home / ".a.0badcafe.removed" / "schema.json", NOW).parent
    newest = written(home / "b" / "schema.json", NOW - 300 * DAY).parent
    assert removed(expire(deployment, NOW)) == {"validation pages": 1}
    assert (left.exists(), newest.exists()) == (False, True)


def test_the_newest_data_set_and_those_of_promoted_runs_are_kept(deployment: Deployment) -> None:
    def save(run: str, value: int) -> Path:
        digest = f"{value:032d}" * 2
        made = deployment.datasets.save(
            "training", pd.DataFrame({"x": [value]}), digest, source="", run_id=run, details={}
        )
        os.utime(made.path, (NOW.timestamp(), NOW.timestamp()))
        return made.path

    decide(deployment, JUDGED, "promoted")
    decide(deployment, "recorded", "held", promoted=False)
    paths = [save(run, i) for i, run in enumerate(("promoted", "held", "failed", "newest"))]
    later = datetime.now(UTC) + 365 * DAY
    assert removed(expire(deployment, later, dry_run=True)) == removed(expire(deployment, later)) == {"data sets": 2}
    assert [p.exists() for p in paths] == [True, False, False, True]
    newest = deployment.datasets.latest("training")
    assert newest is not None
    assert newest.run_id == "newest"


def test_saving_the_same_data_set_again_updates_the_time_of_its_file(deployment: Deployment) -> None:
    frame = pd.DataFrame({"x": [1]})
    first = deployment.datasets.save("training", frame, "a" * 64, source="", run_id="one", details={})
    os.utime(first.path, (0, 0))
    deployment.datasets.save("training", frame, "a" * 64, source="", run_id="two", details={})
    assert first.path.stat().st_mtime > NOW.timestamp() - 365 * DAY.total_seconds()


def test_a_retention_period_of_zero_days_keeps_everything(deployment: Deployment) -> None:
    names = [
        n for n in type(deployment.settings).__struct_fields__ if n.startswith("retention_") and n.endswith("_days")
    ]
    forever = Deployment(msgspec.structs.replace(deployment.settings, **dict.fromkeys(names, 0)))
    for i in range(3):
        page(forever, "drift", NOW - i * 100 * DAY)
    add_reports(forever.database, 300)
    assert removed(expire(forever, NOW + 9000 * DAY)) == {}


def test_an_interrupted_retention_run_is_completed_by_the_next_run(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        page(deployment, "drift", NOW - i * 100 * DAY)
    add_reports(deployment.database, 300)
    calls = []

    def killed(*_: object) -> list[Expired]:
        calls.append(1)
        raise OSError("killed here")

    monkeypatch.setattr("pmmds_core.workflows.retention.KINDS", (KINDS[0], killed, *KINDS[1:]))
    with pytest.raises(OSError, match="killed here"):
        expire(deployment, NOW)
    monkeypatch.undo()
    assert removed(expire(deployment, NOW)) == {"report pages": 3}


def test_a_year_of_hourly_monitoring_stays_below_the_size_limit(deployment: Deployment) -> None:
    """Write the files and rows of 8,760 hours, and apply retention every ten days."""
    content = b"x" * PAGE_BYTES
    folder = deployment.settings.home_path / "reports"
    begin = NOW - 365 * DAY
    largest = 0
    for day in range(365):
        at = begin + day * DAY
        for hour in range(24):
            written_at = at + timedelta(hours=hour)
            written(folder / f"drift-{written_at:%Y%m%dT%H%M%S%f}.html", written_at, content)
        if day % 10 == 9:
            expire(deployment, at + DAY)
            largest = max(largest, sum(storage_sizes(deployment).values()))
    add_reports(deployment.database, 365, per_day=24)
    done = removed(expire(deployment, NOW))
    assert done["drift reports"] >= (365 - 91) * 24
    sizes = storage_sizes(deployment)
    assert sizes["reports"] <= 91 * 24 * PAGE_BYTES
    assert max(largest, sum(sizes.values())) <= YEAR_BYTES + 10 * 24 * PAGE_BYTES
    assert len(list(folder.glob("drift-*.html"))) >= 90 * 24
