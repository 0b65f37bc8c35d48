"""Loss-free predictions a second with everything on one machine: the load, the service, PostgreSQL, Dagster, MLflow.

What `pmmds up` starts, on one PostgreSQL that syncs, is asked at steady rates (hey), then as fast as it answers (wrk).
A rate is sustained when nothing failed, every answered row is in the database, and the last one was there soon after
the last answer: no backlog grew. Keep out: the longest run and its memory (soak).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec

from benchmarks.deployments import example_request, is_answered, temporary_settings, train_versions, wait_for
from benchmarks.hey import hey
from benchmarks.load import wrk
from pmmds_cli.service_commands import start, stop
from pmmds_core.contracts.contract import load_contract
from pmmds_core.deployment import Deployment
from pmmds_core.settings import Settings
from pmmds_core.stores.database import open_database
from pmmds_core.stores.migration import migrate
from pmmds_core.stores.prediction_log import PredictionLog
from pmmds_tests.postgres import Cluster, temporary_cluster

RATES = (1_000, 2_000, 3_000)
# Enough that one request that takes long does not slow the others down; hey's connections do not catch up.
HEY_CONNECTIONS, WRK_CONNECTIONS = 32, 8
# The shipper hands over several times a second; more than this is a backlog.
BEHIND_SECONDS = 2.0
SECONDS = 20.0


@dataclass(frozen=True)
class Tried:
    """What was asked, what was answered, and when the last row was in the database after it."""

    asked: str
    requests_per_second: float
    p95_ms: float
    longest_ms: float
    n_answered: int
    n_logged: int
    n_failed: int
    seconds_behind: float

    @property
    def is_loss_free(self) -> bool:
        return self.n_failed == 0 and self.n_logged >= self.n_answered

    @property
    def is_sustained(self) -> bool:
        return self.is_loss_free and self.seconds_behind <= BEHIND_SECONDS


@contextmanager
def everything_up(cluster: Cluster) -> Iterator[Settings]:
    """`pmmds up` with a trained model, and a database for each of the three."""
    with ExitStack() as stack:
        own, dagster, mlflow = (stack.enter_context(cluster.fresh_database()) for _ in range(3))
        settings = msgspec.structs.replace(
            stack.enter_context(temporary_settings(log_level="warning")),
            database_url=own,
            dagster_database_url=dagster,
            mlflow_database_url=mlflow,
        )
        os.environ.update(settings.to_environment())
        database = open_database(settings)
        migrate(database, load_contract(settings.contract))
        database.close()
        start(settings)
        stack.callback(stop, settings)
        train_versions(settings, 1)
        wait_for(lambda: is_answered(_url(settings), example_request(settings)))
        yield settings


def sustained() -> int:
    """Print what was tried; 1 when rows were lost or a request failed."""
    with temporary_cluster(syncs=True) as cluster, everything_up(cluster) as settings:
        tried = [_at_rate(settings, asked) for asked in RATES]
        tried.append(_as_fast_as_it_goes(settings))
    best = max((t.requests_per_second for t in tried if t.is_sustained), default=0.0)
    print(f"sustained without loss, everything on this machine: {best:,.0f} predictions/s")
    return int(not all(t.is_loss_free for t in tried))


def _at_rate(settings: Settings, asked: int) -> Tried:
    body = settings.home_path / "body.json"
    body.write_text(json.dumps(example_request(settings)))
    log = Deployment(settings).prediction_log
    before = _settled(log)
    load = hey(_url(settings), body, seconds=SECONDS, rate=asked, connections=HEY_CONNECTIONS)
    behind = wait_for(lambda: log.count() - before >= load.n_answered, seconds=120, pause=0.05)
    n_failed = sum(load.statuses.values()) - load.n_answered + int(load.has_errors)
    return _told(
        Tried(
            f"{asked:,}/s",
            load.requests_per_second,
            load.p95_ms,
            load.longest_ms,
            load.n_answered,
            _settled(log) - before,
            n_failed,
            behind,
        )
    )


def _as_fast_as_it_goes(settings: Settings) -> Tried:
    log = Deployment(settings).prediction_log
    before = _settled(log)
    load = wrk(_url(settings), example_request(settings), connections=WRK_CONNECTIONS, seconds=SECONDS)
    behind = wait_for(lambda: log.count() - before >= load.n_answered, seconds=120, pause=0.05)
    return _told(
        Tried(
            "all it can",
            load.requests_per_second,
            load.p95_ms,
            load.max_ms,
            load.n_answered,
            _settled(log) - before,
            load.n_failed,
            behind,
        )
    )


def _settled(log: PredictionLog) -> int:
    """Rows in the database when no more come."""
    found = -1
    while (now := log.count()) != found:
        found = now
        time.sleep(0.5)
    return found


def _url(settings: Settings) -> str:
    return f"http://{settings.http_host}:{settings.http_port}/api/v1/predict"


def _told(tried: Tried) -> Tried:
    print(
        f"{tried.asked:>10} asked  {tried.requests_per_second:8,.0f}/s answered   p95 {tried.p95_ms:5.1f}  longest "
        f"{tried.longest_ms:6.1f} ms   {tried.n_answered:8,} answered, {tried.n_failed} failed, {tried.n_logged:8,} "
        f"logged, the last {tried.seconds_behind:.1f} s behind   {'sustained' if tried.is_sustained else 'NOT'}",
        flush=True,
    )
    return tried
