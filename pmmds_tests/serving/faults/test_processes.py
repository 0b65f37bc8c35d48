"""If workers are killed under load, each returned prediction is logged once, and each 5xx has a known error."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.runtime.processes import is_alive
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.shipping.process import RUN_FOLDER, ShipperFiles
from pmmds_tests.harness.background_requests import HANG_SECONDS, Load, logged_once, metric
from pmmds_tests.harness.service_process import STOP_SECONDS, RunningService, running_service, wait_until

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]


def workers_of(service: RunningService, contract: Contract) -> set[int]:
    return {worker.pid for worker in ModelCache(service.home, contract.model_name).live_workers()}


def kill_one_worker(service: RunningService, contract: Contract, load: Load) -> None:
    """Kill one of two workers during a request, then wait until two are running again."""
    wait_until(lambda: len(workers_of(service, contract)) == 2)
    workers = map(psutil.Process, itertools.cycle(sorted(workers_of(service, contract))))
    victim = next(worker for worker in workers if stopped_in_mid_request(worker, load))
    victim.kill()
    victim.wait(STOP_SECONDS)
    wait_until(lambda: len(workers_of(service, contract)) == 2)


def stopped_in_mid_request(worker: psutil.Process, load: Load) -> bool:
    """Stop the worker (SIGSTOP). Return True if a client is waiting for it; otherwise resume it."""
    worker.suspend()
    try:
        wait_until(load.hangs, seconds=HANG_SECONDS + 3)
    except AssertionError:
        worker.resume()
        return False
    return True


def test_no_prediction_is_lost_if_workers_are_killed_during_requests(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SERVING_WORKERS="2", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as service:
        load = Load(service.url, contract)
        with load.running():
            for _ in range(2):
                wait_until(load.has_answered(200))
                kill_one_worker(service, contract, load)
            wait_until(load.has_answered(200))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        assert load.refused == {}
        assert load.n_cut_off > 0
        wait_until(lambda: metric(service.client, "pmmds_spool_backlog_bytes") == 0)
        # Rows of interrupted requests may also be there, if the worker was killed before it sent the response.
        assert 0 <= stores.prediction_log.count() - len(load.answered) <= load.n_cut_off


def shipper_of(service: RunningService) -> int:
    """Return the process id of the running shipper; 0 if there is none."""
    status = ShipperFiles(service.home / RUN_FOLDER).status.read()
    return status.pid if status is not None and is_alive(status.pid) else 0


def test_killing_the_shipper_repeatedly_neither_loses_nor_delays_anything(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SERVING_WORKERS="2", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as service:
        load = Load(service.url, contract)
        killed = load.while_killing(lambda: shipper_of(service))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        assert (load.refused, load.n_cut_off, len(killed)) == ({}, 0, 3)
        assert stores.prediction_log.count() == len(load.answered)
        wait_until(lambda: _spool_problem(service) == "")


# The last row keeps SQLite busy for minutes, so the shipper is always killed while it ships.
_NEVER_DONE = """
CREATE TRIGGER never_done AFTER INSERT ON prediction_logs WHEN NEW.request_id = '{request_id}' BEGIN
    SELECT max(n) FROM (
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 10000000000)
        SELECT n FROM numbers
    );
END
"""


def test_a_service_killed_while_shipping_ships_the_rest_after_restart(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_LOG_LEVEL="warning")
    body = {"instances": [contract.example()] * 1000}
    with running_service(environment) as first:
        stores = first.deployment()
        with stores.database.begin() as connection:  # the lock blocks all writers, so a backlog builds up
            answers = [first.client.post("/api/v1/predict/batch", json=body) for _ in range(20)]
            answered = [p["request_id"] for answer in answers for p in answer.json()["predictions"]]
            connection.exec_driver_sql(_NEVER_DONE.format(request_id=answered[-1]))
        wait_until(lambda: stores.prediction_log.count() > 0)
        first.kill()
        shipped = stores.prediction_log.count()
        assert 0 < shipped < len(answered) == 20_000
        with stores.database.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER never_done")
    with running_service(environment) as second:
        wait_until(lambda: stores.prediction_log.count() == len(answered))
        assert logged_once(stores, answered)
        wait_until(lambda: second.client.get("/healthz").json()["parts"]["spool"]["backlog_bytes"] == 0)


def test_a_long_sqlite_write_lock_delays_only_rows(prepared: Prepare, contract: Contract, tmp_path: Path) -> None:
    with running_service(prepared(tmp_path / "home", PMMDS_LOG_LEVEL="warning")) as service:
        stores = service.deployment()
        load = Load(service.url, contract)
        with load.running():
            wait_until(load.has_answered(50))
            with stores.database.begin():
                wait_until(lambda: "is locked by another process" in _spool_problem(service))
                wait_until(load.has_answered(50))
        wait_until(lambda: logged_once(stores, load.answered))
        wait_until(lambda: _spool_problem(service) == "")
        assert (load.refused, load.n_cut_off) == ({}, 0)
        assert stores.prediction_log.count() == len(load.answered)


def _spool_problem(service: RunningService) -> str:
    return str(service.client.get("/healthz").json()["parts"]["spool"]["problem"])


def test_shutdown_with_a_hanging_database_is_on_time_and_loses_nothing(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as first:
        stores = first.deployment()
        load = Load(first.url, contract)
        with load.running():
            wait_until(load.has_answered(100))
        with stores.database.begin():
            more = Load(first.url, contract)
            with more.running():
                wait_until(more.has_answered(100))
            assert first.stop(seconds=60) == 0
    with running_service(environment):
        wait_until(lambda: logged_once(stores, load.answered + more.answered))
