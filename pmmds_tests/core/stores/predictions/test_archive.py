"""Archived days are read like rows in the database, and each row is read once, even after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from pmmds_cli.processes import doctor
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.digests import content_digest
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DataError, PmmdsError, StoreError
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.runtime import private_folders
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_archives
from pmmds_core.stores.predictions import archive, parquet_rows
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.workflows.log_archiving import archive_due_days
from pmmds_tests.harness.crashing_archiver import STEPS
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records
from pmmds_tests.serving.faults.test_database import disk_of

DAY = timedelta(days=1)
FIRST = NOON.replace(hour=0)
END = FIRST + 3 * DAY


@pytest.fixture
def deployment(database: Database, database_settings: Settings) -> Deployment:
    """A deployment with a migrated database that archives predictions after one day."""
    return Deployment(msgspec.structs.replace(database_settings, retention_days=1))


def fill(deployment: Deployment, n_rows: int = 300) -> list[PredictionRecord]:
    """Log rows for three days and add a label to every second row."""
    records = [
        r
        for i in range(3)
        for r in make_records(
            deployment.contract, n_rows, start=FIRST + i * DAY, step=timedelta(minutes=3), prefix=f"d{i}-", seed=i
        )
    ]
    deployment.prediction_log.append(records)
    deployment.ground_truth.add([LabelItem(r.request_id, r.prediction, r.predicted_at + DAY) for r in records[::2]])
    return records


def archived(deployment: Deployment, n_days: int = 2) -> Deployment:
    """Archive the first days and return the deployment."""
    archive_due_days(deployment, FIRST + (n_days + 1) * DAY)
    assert deployment.prediction_log.count(end=FIRST + n_days * DAY) == 0
    return Deployment(deployment.settings)


def files(deployment: Deployment) -> list[str]:
    return sorted(p.name for p in deployment.settings.resolved_archive_path.glob("*"))


def profile_of(deployment: Deployment) -> ReferenceProfile:
    records = make_records(deployment.contract, 500, seed=9)
    score = np.array([r.probability for r in records])
    return fit_profile(deployment.contract, columns_of(deployment.contract, records), score)


def answers(deployment: Deployment, profile: ReferenceProfile) -> dict[str, object]:
    """Return the results of every reader for the three days."""
    deployment.histograms.refresh(lambda _: profile, deployment.model_name, FIRST, END, only_changed=False)
    rows = deployment.ground_truth.labelled_rows()
    newest = deployment.prediction_log.newest_columns(deployment.model_name, "1", FIRST, END, 10_000)
    days = deployment.daily_performance.states(FIRST, END)
    segments = deployment.segments.counts(profile, deployment.model_name, "1", FIRST, END, "contract")
    return {
        "labelled rows": (rows.request_ids.tolist(), content_digest(rows.to_frame(deployment.contract))),
        "delays": sorted(deployment.ground_truth.delays().to_observation.tolist()),
        "histograms": deployment.histograms.digest(deployment.model_name, FIRST, END),
        "segments": [(s.value, s.n_rows, {k: c.tolist() for k, c in s.counts.items()}) for s in segments],
        "newest": {name: column.tolist() for name, column in newest.items()},
        "days": days,
        "rows of a day": deployment.daily_performance.rows("1", FIRST).labels.tolist(),
    }


def test_every_reader_returns_the_same_results_after_archiving(deployment: Deployment) -> None:
    records, profile = fill(deployment), profile_of(deployment)
    before = answers(deployment, profile)
    after = archived(deployment)
    assert after.prediction_log.count() == 300
    assert answers(after, profile) == before
    assert after.prediction_log.find_archived([records[0].request_id]) == {records[0].request_id: records[0]}
    assert len(files(after)) == 2


def test_nothing_is_archived_by_default(deployment: Deployment) -> None:
    fill(deployment)
    kept = archive_due_days(Deployment(msgspec.structs.replace(deployment.settings, retention_days=0)), END + 90 * DAY)
    assert (kept.parts, deployment.prediction_log.count()) == ((), 900)


def test_late_rows_of_an_archived_day_are_archived_in_another_part(deployment: Deployment) -> None:
    records, profile = fill(deployment), profile_of(deployment)
    after = archived(deployment)
    late = make_records(after.contract, 20, start=FIRST, prefix="late-", seed=4)
    # A spool file from a disk that was offline is shipped late and contains archived as well as new rows.
    assert after.prediction_log.append([*records[:10], *late]) == 30
    after.ground_truth.add([LabelItem(r.request_id, 1, NOON) for r in late])
    said = answers(after, profile)
    assert after.histograms.merged(after.model_name, "1", FIRST, END).n_rows == 920
    assert len(after.ground_truth.labelled_rows().labels) == 470
    (part,) = archive_due_days(after, FIRST + 3 * DAY).parts
    assert (part.part, part.n_rows, part.n_repeated) == (2, 20, 10)
    assert answers(after, profile) == said
    assert after.prediction_log.append(late) == 20
    (again,) = archive_due_days(after, FIRST + 3 * DAY).parts
    assert (again.n_rows, again.n_repeated, len(files(after))) == (0, 20, 4)
    assert answers(after, profile) == said


def test_sqlite_archives_a_large_day_in_several_parts(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    records = fill(deployment)
    monkeypatch.setattr(archive, "SQLITE_PART_ROWS", 120)
    parts = archive_due_days(deployment, FIRST + 2 * DAY).parts
    assert [p.n_rows for p in parts] == ([120, 120, 60] if deployment.database.dialect == "sqlite" else [300])
    assert len(deployment.ground_truth.labelled_rows().labels) == len(records[::2])


def test_a_label_for_an_archived_row_is_matched(deployment: Deployment) -> None:
    records = fill(deployment)
    after = archived(deployment)
    counts = after.ground_truth.add([LabelItem(records[1].request_id, 1, NOON), LabelItem("nobody", 1, NOON)])
    assert (counts.accepted, counts.unknown) == (0, 2)
    assert after.ground_truth.match_archived().accepted == 1
    assert after.ground_truth.label_of(records[1].request_id) is not None
    assert after.ground_truth.n_waiting() == 1
    assert len(after.ground_truth.labelled_rows().labels) == 451


def test_rows_archived_before_they_were_counted_are_counted_later(deployment: Deployment) -> None:
    fill(deployment)
    profile = profile_of(deployment)
    deployment.histograms.refresh(lambda _: profile, deployment.model_name, FIRST + 2 * DAY, END)
    after = archived(deployment)
    after.histograms.refresh(lambda _: profile, after.model_name, FIRST, END)
    assert after.histograms.merged(after.model_name, "1", FIRST, END).n_rows == 900


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_does_not_lose_or_duplicate_rows(deployment: Deployment, step: str) -> None:
    fill(deployment)
    profile = profile_of(deployment)
    before = answers(deployment, profile)
    command = [sys.executable, "-m", "pmmds_tests.harness.crashing_archiver", FIRST.isoformat(), step]
    done = subprocess.run(command, env={**os.environ, **deployment.settings.to_environment()}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert deployment.prediction_log.count() == 900
    assert answers(Deployment(deployment.settings), profile) == before
    after = archived(deployment)
    assert answers(after, profile) == before


def test_rows_added_during_archiving_are_archived_or_remain_in_the_database(
    deployment: Deployment, open_again: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(deployment)
    late = make_records(deployment.contract, 5, start=FIRST, prefix="late-")
    writing = parquet_rows.write_rows

    def write_rows(path: Path, *rest: object) -> object:
        written = writing(path, *rest)  # type: ignore[arg-type]
        deployment.prediction_log.append(late)
        return written

    monkeypatch.setattr(archive, "write_rows", write_rows)
    parts = deployment.archive.archive(FIRST)
    assert sum(p.n_rows for p in parts) == 305
    assert deployment.prediction_log.find_archived([late[0].request_id])


def test_a_full_disk_is_reported_and_no_rows_are_deleted(deployment: Deployment, tmp_path: Path) -> None:
    fill(deployment, n_rows=2000)
    with disk_of(tmp_path / "small", "16k"):
        small = Deployment(msgspec.structs.replace(deployment.settings, archive_path=str(tmp_path / "small")))
        with pytest.raises(StoreError, match=r"No space left on device\. Nothing was deleted\. Free disk space"):
            archive_due_days(small, END)
        assert files(small) == []
    assert deployment.prediction_log.count() == 6000


def test_a_missing_archive_part_raises_an_error(deployment: Deployment) -> None:
    fill(deployment)
    after = archived(deployment)
    (after.settings.resolved_archive_path / files(after)[0]).unlink()
    with pytest.raises(DataError, match=r"1 archived part of the prediction log cannot be found.*PMMDS_ARCHIVE_PATH"):
        after.ground_truth.labelled_rows()


@pytest.mark.parametrize("damage", ["cut off", "other content", "values"])
def test_a_damaged_archive_part_raises_an_error(deployment: Deployment, damage: str) -> None:
    records = fill(deployment)
    after = archived(deployment)
    file = after.settings.resolved_archive_path / files(after)[0]
    whole = file.read_bytes()
    inside = whole[:100] + b"\xff" * (len(whole) // 2) + whole[100 + len(whole) // 2 :]
    file.write_bytes({"cut off": whole[:-200], "other content": b"a shopping list", "values": inside}[damage])
    for ask in (after.ground_truth.labelled_rows, lambda: after.prediction_log.find_archived([records[0].request_id])):
        with pytest.raises(DataError, match=r"^An archived part of the prediction log cannot be read: ") as reported:
            ask()
        assert "\n" not in str(reported.value)
        assert "Restore the file from a copy of the archive." in str(reported.value)


@pytest.mark.parametrize("name", ["rows [of *] it's", "contract=One year", "model_version=7/tenure=1"])
def test_the_archive_folder_can_have_any_name(deployment: Deployment, tmp_path: Path, name: str) -> None:
    fill(deployment)
    odd = Deployment(msgspec.structs.replace(deployment.settings, archive_path=str(tmp_path / name)))
    before = odd.ground_truth.labelled_rows()
    archived(odd)
    after = odd.ground_truth.labelled_rows()
    assert after.n_rows == 450
    assert after.model_versions.tolist() == before.model_versions.tolist()
    for name in ("contract", "tenure"):
        assert after.columns[name].tolist() == before.columns[name].tolist()


def test_a_file_is_synced_before_its_rows_are_deleted(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sync, a power failure could lose rows, because the file would still have its temporary name."""
    fill(deployment)
    logged_at_sync: list[tuple[list[str], int]] = []
    syncing = private_folders.sync_folder

    def sync_folder(folder: Path) -> None:
        logged_at_sync.append(([p.suffix for p in folder.iterdir()], deployment.prediction_log.count()))
        syncing(folder)

    monkeypatch.setattr(archive, "sync_folder", sync_folder)
    deployment.archive.archive(FIRST)
    assert logged_at_sync == [([".parquet"], 900)]
    assert deployment.prediction_log.count() == 600


def test_doctor_reports_archived_days_and_missing_parts(deployment: Deployment) -> None:
    assert doctor.archive(deployment) == "nothing is archived"
    fill(deployment)
    after = archived(deployment)
    assert doctor.archive(after) == f"600 predictions of 2 days in {deployment.settings.resolved_archive_path}"
    (deployment.settings.resolved_archive_path / files(deployment)[1]).unlink()
    with pytest.raises(PmmdsError, match=r"^1 of 2 archived parts .* cannot be found.*PMMDS_ARCHIVE_PATH"):
        doctor.archive(after)


def test_a_feature_added_later_is_null_in_earlier_archive_parts(deployment: Deployment, contract: Contract) -> None:
    from pmmds_core.stores.database.schema import migrate
    from pmmds_core.stores.predictions.archive import PredictionArchive
    from pmmds_core.stores.predictions.labels import GroundTruthStore
    from pmmds_tests.core.stores.database.test_schema import EXTRA, with_features

    fill(deployment)
    after = archived(deployment)
    wider = with_features(contract, (*contract.features, EXTRA))
    migrate(after.database, wider)
    archive = PredictionArchive(after.database, wider, after.settings.resolved_archive_path)
    rows = GroundTruthStore(after.database, wider, archive).labelled_rows()
    assert rows.n_rows == 450
    assert np.isnan(rows.columns["loyalty_points"]).all()


def test_archive_parts_are_listed_with_their_number_of_rows(deployment: Deployment) -> None:
    fill(deployment)
    archived(deployment)
    with deployment.database.connect() as connection:
        rows = connection.execute(sa.select(prediction_archives).order_by("day")).all()
    assert [(r.day, r.part, r.n_rows, r.n_repeated) for r in rows] == [(FIRST, 1, 300, 0), (FIRST + DAY, 1, 300, 0)]
    assert sorted(r.file for r in rows) == files(deployment)


def test_client_ids_still_identify_their_rows_after_archiving(
    deployment: Deployment,
) -> None:
    old, new = make_records(deployment.contract, 2, start=FIRST, step=3 * DAY, seed=5)
    old, new = (msgspec.structs.replace(r, client_request_id="order-1") for r in (old, new))
    other = msgspec.structs.replace(new, request_id="other", client_request_id="order-2")
    deployment.prediction_log.append([old, new])
    assert deployment.ground_truth.add([LabelItem("order-1", 1, END)]).ambiguous == 1
    after = archived(deployment)
    assert after.prediction_log.named([old.request_id]) == {}
    assert (after.ground_truth.match_waiting().accepted, after.ground_truth.match_archived().accepted) == (0, 0)
    assert after.ground_truth.add([LabelItem("order-1", 0, END)]).ambiguous == 1
    assert sorted(after.prediction_log.ids_named("order-1")) == sorted([old.request_id, new.request_id])
    again = msgspec.structs.replace(old, request_id="again", predicted_at=END)
    assert after.prediction_log.add([again, other]).n_new == 1
