"""Rows and records that contradict the archive are reported but not used, no matter which login wrote them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from pmmds_cli.processes import doctor
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DataError, PmmdsError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_archives
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.workflows.log_archiving import archive_due_days
from pmmds_tests.core.stores.predictions.test_archive import DAY, FIRST, answers, archived, files, fill, profile_of


@pytest.fixture
def deployment(database: Database, database_settings: Settings) -> Deployment:
    """A deployment with a migrated database that archives predictions after one day."""
    return Deployment(msgspec.structs.replace(database_settings, retention_days=1))


def impostor(record: PredictionRecord) -> PredictionRecord:
    """Return a different row with the id and timestamp of the archived row."""
    return msgspec.structs.replace(record, probability=1 - record.probability, prediction=1 - record.prediction)


def test_no_reader_uses_a_row_that_reuses_an_archived_id(deployment: Deployment) -> None:
    records, profile = fill(deployment), profile_of(deployment)
    before = answers(deployment, profile)
    after = archived(deployment)
    assert after.prediction_log.append([impostor(r) for r in records[:200]]) == 200
    assert answers(after, profile) == before
    found = after.prediction_log.find(r.request_id for r in records[:200])
    assert found == {r.request_id: r for r in records[:200]}
    assert after.prediction_log.archived_named(records[0].request_id) == [records[0]]


def test_rows_that_contradict_archived_ones_are_counted_and_removed(deployment: Deployment) -> None:
    records, profile = fill(deployment), profile_of(deployment)
    before = answers(deployment, profile)
    after = archived(deployment)
    after.prediction_log.append([*(impostor(r) for r in records[:7]), *records[7:10]])
    assert sorted(after.archive.contradicted()) == sorted(r.request_id for r in records[:7])
    with pytest.raises(PmmdsError, match=r"^7 rows of the database have the request id of an archived row"):
        doctor.archive(after)
    with capture_logs() as logged:
        (part,) = archive_due_days(after, FIRST + 3 * DAY).parts
    assert (part.n_rows, part.n_repeated) == (0, 10)
    assert [(x["event"], x["n_rows"]) for x in logged] == [("archived_ids_reused", 7)]
    assert answers(after, profile) == before
    assert after.archive.contradicted() == []
    assert doctor.archive(after).startswith("600 predictions of 2 days")


def record_of(deployment: Deployment, day: int, **other: object) -> None:
    """Change the record of a day's archive part, as the table owner or a faulty function could."""
    with deployment.database.begin() as connection:
        t = prediction_archives
        connection.execute(sa.update(t).where(t.c.day == FIRST + day * DAY).values(other))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"n_rows": 299}, r"has 300 rows, but 299 were recorded"),
        ({"n_bytes": 7}, r"bytes, but 7 were recorded"),
        ({"file": "2026-03-01.aaaaaaaaaaaa.0000.parquet"}, "cannot be found"),
    ],
)
def test_a_record_that_contradicts_its_archive_file_raises_an_error(
    deployment: Deployment, other: dict[str, object], says: str
) -> None:
    fill(deployment)
    after = archived(deployment)
    record_of(after, 0, **other)
    with pytest.raises(DataError, match=says):
        after.ground_truth.labelled_rows()
    with pytest.raises(PmmdsError, match=rf"^1 of 2 archived parts .*{says}"):
        doctor.archive(after)
    kept = archive_due_days(after, FIRST + 4 * DAY)
    assert len(kept.problems) == 1
    assert len(kept.parts) == 1, "days without problems are still archived"


def test_a_file_whose_values_differ_from_the_record_is_reported(deployment: Deployment) -> None:
    fill(deployment)
    after = archived(deployment)
    record_of(after, 0, digest="a" * 64)
    with pytest.raises(PmmdsError, match=r"^1 of 2 archived parts .*does not have the recorded values"):
        doctor.archive(after)
    found = [archive_due_days(after, FIRST + (4 + i) * DAY).problems for i in range(30)]
    assert sum(len(problems) for problems in found) == 1, "each file is read completely once in 30 nights"


def test_a_file_with_only_duplicate_rows_is_recorded(deployment: Deployment) -> None:
    records = fill(deployment)
    after = archived(deployment)
    after.prediction_log.append(records[:5])
    archive_due_days(after, FIRST + 3 * DAY)
    with after.database.connect() as connection:
        parts = after.archive.parts(connection, FIRST, FIRST + DAY)
    assert [(p.part, p.n_rows, p.n_repeated) for p in parts] == [(1, 300, 0), (2, 0, 5)]
    assert sorted(p.file for p in parts) == [f for f in files(after) if f.startswith(f"{FIRST:%Y-%m-%d}")]
    assert Path(after.settings.resolved_archive_path, parts[1].file).stat().st_size == parts[1].n_bytes
