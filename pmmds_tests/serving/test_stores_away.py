"""The service keeps working without its registry, database or disk space."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_serving.spool.segment import SUFFIX
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import (
    FEEDBACK,
    PREDICT,
    all_logged,
    example,
    predicted,
)

NOBODY = "http://127.0.0.1:1"

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


@dataclass(frozen=True)
class FarAway:
    """A service with PostgreSQL at `database_url` and an unreachable registry."""

    service: RunningService
    database_url: str


@pytest.fixture(scope="module")
def far_away(
    prepared: Callable[..., dict[str, str]],
    postgres_cluster: Cluster,
    contract: Contract,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FarAway]:
    home = tmp_path_factory.mktemp("far") / "home"
    with postgres_cluster.fresh_database() as url:
        environment = prepared(home, PMMDS_DATABASE_URL=url, PMMDS_MLFLOW_TRACKING_URI=NOBODY)
        migrate(open_database(load_settings(environment)), contract)
        with running_service(environment) as service:
            yield FarAway(service, url)


@pytest.mark.postgres
def test_rows_are_logged_once_the_database_is_available_again(far_away: FarAway, contract: Contract) -> None:
    client, stores = far_away.service.client, far_away.service.deployment()
    answered = [predicted(client, contract)]
    wait_until(all_logged(stores, answered))
    n_before = stores.prediction_log.count() - len(answered)  # rows of earlier tests, which are shipped first
    shut_database(far_away.database_url, shut=True)
    wait_until(lambda: far_away.service.status_of("/healthz") == 503)
    answered += [predicted(client, contract) for _ in range(50)]
    assert client.get("/ready").status_code == 200
    assert client.get("/metrics").status_code == 200
    truth = client.post(FEEDBACK, json={"items": [{"request_id": answered[0], "label": 1}]})
    assert truth.status_code == 503
    assert truth.json()["detail"]["errors"] == ["No label was stored. Try again later"]
    shut_database(far_away.database_url, shut=False)
    wait_until(all_logged(stores, answered))
    wait_until(lambda: far_away.service.status_of("/healthz") == 200)
    assert stores.prediction_log.count() == n_before + len(answered)


def shut_database(url: str, *, shut: bool) -> None:
    """Close all connections to a database and forbid new ones, or allow connections again."""
    place = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(place.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        allowed = "false" if shut else "true"
        connection.exec_driver_sql(f"ALTER DATABASE {place.database} WITH ALLOW_CONNECTIONS {allowed}")
        if shut:
            out = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(out, {"name": place.database})


@pytest.mark.postgres
def test_an_unavailable_registry_does_not_change_the_model(far_away: FarAway, contract: Contract) -> None:
    client = far_away.service.client
    wait_until(lambda: f"MLflow request failed ({NOBODY})" in client.get("/healthz").text)
    assert client.get("/healthz").status_code == 200
    assert client.post(PREDICT, json=example(contract)).json()["model_version"] == "1"
    assert client.get("/ready").status_code == 200
    assert "pmmds_model_registry_up 0.0" in client.get("/metrics").text


def segments_of(service: RunningService) -> list[Path]:
    return list((service.home / "spool").glob(f"*{SUFFIX}"))


@contextmanager
def no_room_for_more_than(pid: int, n_bytes: int) -> Iterator[None]:
    """Limit the file size of a process, to imitate a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_prediction_that_cannot_be_recorded_is_not_returned(
    service: RunningService, stores: Deployment, contract: Contract
) -> None:
    wait_until(all_logged(stores, [predicted(service.client, contract)]))
    n_logged = stores.prediction_log.count()
    (worker,) = service.client.get("/model").json()["workers"]
    # The shipper deletes shipped segments, so only an empty one remains.
    wait_until(lambda: len(segments_of(service)) == 1)
    (spool,) = segments_of(service)
    size = spool.stat().st_size
    with no_room_for_more_than(worker["pid"], size + 10):
        refused = service.client.post(PREDICT, json=example(contract))
        assert spool.stat().st_size == size
    assert refused.status_code == 503
    assert refused.json()["detail"]["message"] == "The service cannot record predictions"
    (error,) = refused.json()["detail"]["errors"]
    assert error.startswith("A prediction is returned only if it is recorded durably. ")
    wait_until(all_logged(stores, [predicted(service.client, contract) for _ in range(3)]))
    assert stores.prediction_log.count() == n_logged + 3
