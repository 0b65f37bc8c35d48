"""Despite database outages, full spools and poison rows, each row is logged once or counted as lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import HEAD, migrate
from pmmds_tests.harness.background_requests import Load, dead_letters_of, logged_once, metric
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import BATCH, PREDICT, example
from pmmds_tests.harness.small_disk import fill_disk

OUTAGE_SECONDS = 60.0
NOT_RECORDED = (503, "The service cannot record predictions")

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that the test can stop."""
    with temporary_cluster() as cluster:
        yield cluster


@contextmanager
def service_on(
    cluster: Cluster, prepared: Prepare, contract: Contract, home: Path, **variables: str
) -> Iterator[RunningService]:
    environment = prepared(home, PMMDS_DATABASE_URL=cluster.url, PMMDS_LOG_LEVEL="warning", **variables)
    database = open_database(load_settings(environment))
    migrate(database, contract)
    database.close()
    with running_service(environment) as service:
        yield service


def spool_of(service: RunningService) -> dict[str, object]:
    found: dict[str, object] = service.client.get("/healthz").json()["parts"]["spool"]
    return found


def lasts(seconds: float) -> Callable[[], bool]:
    """Return a condition that becomes true after `seconds`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


@pytest.mark.postgres
def test_a_minute_without_the_database_does_not_affect_responses(
    own_cluster: Cluster, prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    with service_on(own_cluster, prepared, contract, tmp_path / "home", PMMDS_SPOOL_MAX_ATTEMPTS="1") as service:
        load = Load(service.url, contract)
        with load.running():
            wait_until(load.has_answered(100))
            own_cluster.stop()
            wait_until(lambda: "cannot be reached" in str(spool_of(service)["problem"]))
            wait_until(lasts(OUTAGE_SECONDS), seconds=OUTAGE_SECONDS + 5)
            wait_until(load.has_answered(100))
            assert service.status_of("/ready") == 200
            own_cluster.start()
            wait_until(load.has_answered(100))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        assert (load.refused, load.n_cut_off) == ({}, 0)
        assert stores.prediction_log.count() == len(load.answered) > 300
        wait_until(lambda: spool_of(service)["problem"] == "")
        assert (spool_of(service)["n_dropped"], dead_letters_of(service.home)) == (0, [])


@pytest.mark.postgres
def test_each_row_is_logged_once_when_the_database_is_killed_under_load(
    own_cluster: Cluster, prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    with open_database(Settings(database_url=own_cluster.url)).begin() as connection:
        connection.exec_driver_sql("ALTER DATABASE postgres SET synchronous_commit = on")
    with service_on(own_cluster, prepared, contract, tmp_path / "home") as service:
        load = Load(service.url, contract)
        with load.running():
            for _ in range(3):
                wait_until(load.has_answered(150))
                own_cluster.kill()
                wait_until(load.has_answered(100))
                own_cluster.start()
            wait_until(load.has_answered(100))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        assert (load.refused, load.n_cut_off) == ({}, 0)
        assert stores.prediction_log.count() == len(load.answered)
        wait_until(lambda: spool_of(service)["problem"] == "")
        assert (spool_of(service)["n_dropped"], dead_letters_of(service.home)) == (0, [])


@pytest.mark.postgres
def test_health_reports_a_newer_schema_and_no_row_is_lost(
    own_cluster: Cluster, prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    with service_on(own_cluster, prepared, contract, tmp_path / "home") as service:
        pass
    database = open_database(Settings(database_url=own_cluster.url))
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with running_service(service.environment) as newer:
        answer = newer.client.post(PREDICT, json=example(contract))
        assert answer.status_code == 200
        health = newer.client.get("/healthz")
        assert health.status_code == 503
        problem = health.json()["parts"]["database"]["problem"]
        assert "is at revision 9999, but this program needs" in problem
        with database.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")
        wait_until(lambda: newer.status_of("/healthz") == 200)
        stores = newer.deployment()
        wait_until(lambda: logged_once(stores, [answer.json()["request_id"]]))
    database.close()


def fill(service: RunningService, contract: Contract, n_calls: int) -> tuple[list[str], list[tuple[int, str]]]:
    """Send batches of 1,000 rows; return the ids of predictions and the errors."""
    answered, refused = [], []
    for _ in range(n_calls):
        response = service.client.post(BATCH, json={"instances": [contract.example()] * 1000})
        if response.is_success:
            answered += [p["request_id"] for p in response.json()["predictions"]]
        else:
            refused.append((response.status_code, response.json()["detail"]["message"]))
    return answered, refused


@contextmanager
def shut(database: Database) -> Iterator[None]:
    """Block all writers by holding SQLite's write lock."""
    with database.begin():
        yield


def test_a_full_spool_rejects_predictions_until_the_database_is_back(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SPOOL_MAX_BYTES="1000000", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as service:
        stores = service.deployment()
        with shut(stores.database):
            answered, refused = fill(service, contract, 8)
            assert answered
            assert set(refused) == {NOT_RECORDED}
            ready = service.client.get("/ready")
            assert ready.status_code == 503
            reason = "the spool has reached PMMDS_SPOOL_MAX_BYTES; the database does not accept its rows"
            assert ready.json()["reasons"] == [f"predictions cannot be recorded: {reason}"]
            spool = spool_of(service)
            assert (spool["status"], spool["problem"], spool["max_bytes"]) == ("full", reason, 1_000_000)
            wait_until(lambda: metric(service.client, "pmmds_spool_backlog_bytes") > 800_000)
        wait_until(lambda: service.status_of("/ready") == 200)
        assert service.client.post(PREDICT, json=example(contract)).status_code == 200
        wait_until(lambda: stores.prediction_log.count() == len(answered) + 1)
        assert logged_once(stores, answered)
        assert (spool_of(service)["n_dropped"], metric(service.client, "pmmds_spool_dropped_total")) == (0, 0)


def test_a_full_spool_counts_every_dropped_row(prepared: Prepare, contract: Contract, tmp_path: Path) -> None:
    environment = prepared(
        tmp_path / "home",
        PMMDS_SPOOL_MAX_BYTES="1000000",
        PMMDS_SPOOL_WHEN_FULL="drop_oldest",
        PMMDS_LOG_LEVEL="warning",
    )
    with running_service(environment) as service:
        stores = service.deployment()
        with shut(stores.database):
            answered, refused = fill(service, contract, 10)
            assert (len(answered), refused) == (10_000, [])
            assert service.status_of("/ready") == 200
        wait_until(lambda: spool_of(service)["backlog_bytes"] == 0)
        n_dropped = spool_of(service)["n_dropped"]
        assert isinstance(n_dropped, int)
        assert 0 < n_dropped < 10_000
        wait_until(lambda: metric(service.client, "pmmds_spool_dropped_total") == n_dropped)
        assert stores.prediction_log.count() + n_dropped == 10_000
        assert logged_once(stores, answered[-2000:])
        wait_until(lambda: '"event":"spool_dropped"' in service.output)


@pytest.mark.postgres
def test_a_poison_row_under_load_becomes_a_dead_letter(
    own_cluster: Cluster, prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    with service_on(own_cluster, prepared, contract, tmp_path / "home") as service:
        stores = service.deployment()
        with stores.database.begin() as connection:
            connection.exec_driver_sql(
                "ALTER TABLE prediction_logs ADD CONSTRAINT no_poison CHECK (client_request_id <> 'poison')"
            )
        load = Load(service.url, contract)
        with load.running():
            wait_until(load.has_answered(50))
            poison = service.client.post(PREDICT, json=example(contract), headers={"X-Request-ID": "poison"})
            assert poison.status_code == 200
            wait_until(lambda: spool_of(service)["n_dead_letters"] == 1)
            wait_until(load.has_answered(50))
        wait_until(lambda: logged_once(stores, load.answered))
        (letter,) = dead_letters_of(service.home)
        assert letter.record is not None
        assert (letter.record.client_request_id, letter.error_type) == ("poison", "IntegrityError")
        assert stores.prediction_log.count() == len(load.answered)
        assert (load.refused, load.n_cut_off) == ({}, 0)
        wait_until(lambda: metric(service.client, "pmmds_dead_letters_total") == 1)
        wait_until(lambda: '"event":"dead_letters"' in service.output)
        (line,) = [line for line in service.lines if '"event":"dead_letters"' in line]
        assert "Month-to-month" not in line


@contextmanager
def disk_of(folder: Path, size: str) -> Iterator[None]:
    """Mount a separate file system at a folder within the block."""
    folder.mkdir(parents=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def refuses_more(load: Load, full: Path) -> Callable[[], bool]:
    """Return a condition that is true once more requests are rejected. It refills space that the shipper frees."""
    before = load.refused[NOT_RECORDED]

    def holds() -> bool:
        fill_disk(full)
        return load.refused[NOT_RECORDED] > before

    return holds


def test_no_returned_prediction_is_lost_on_a_full_disk_under_load(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    """The spool's disk becomes full three times."""
    environment = prepared(tmp_path / "home", PMMDS_SERVING_WORKERS="2", PMMDS_LOG_LEVEL="warning")
    spool = tmp_path / "home" / "spool"
    with disk_of(spool, "16m"), running_service(environment) as service:
        load = Load(service.url, contract)
        with load.running():
            for _ in range(3):
                wait_until(load.has_answered(50))
                wait_until(refuses_more(load, spool))
                wait_until(lambda: fill_disk(spool).exists() and service.status_of("/ready") == 503)
                fill_disk(spool).unlink()
                wait_until(lambda: service.status_of("/ready") == 200)
            wait_until(load.has_answered(50))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        assert set(load.refused) == {NOT_RECORDED}
        assert load.n_cut_off == 0
        assert stores.prediction_log.count() == len(load.answered)
