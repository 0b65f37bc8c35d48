"""Measure predictions per second without loss, with load, service, PostgreSQL, Dagster and MLflow on one machine.

The processes of `pmmds up`, which share a PostgreSQL server with fsync, receive requests at constant rates (hey), then
at the maximum rate (wrk). A rate is sustained if no request failed, every answered row is in the database, and the last
row arrived soon after the last response, so that no backlog grew. Not here: long runs and memory (soak.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec

from benchmarks.deployments import (
    example_request,
    is_answered,
    migrate_database,
    temporary_settings,
    train_versions,
    wait_for,
)
from benchmarks.hey import hey
from benchmarks.load import wrk
from pmmds_cli.commands.service import start, stop
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.postgres import Cluster, temporary_cluster

RATES = (1_000, 2_000, 3_000)
# Use enough connections that one slow request does not delay the others, because a hey connection that falls behind
# does not catch up.
HEY_CONNECTIONS, WRK_CONNECTIONS = 32, 8
# The shipper runs several times per second, so a longer delay means a backlog.
BEHIND_SECONDS = 2.0
SECONDS = 20.0


@dataclass(frozen=True)
class Answered:
    """The result of a load generator's run. Latencies are in milliseconds."""

    requests_per_second: float
    p95_ms: float
    longest_ms: float
    n_answered: int
    n_failed: int


@dataclass(frozen=True)
class Tried:
    """The requested and achieved rates, and the delay until the last row arrived in the database."""

    asked: str
    answered: Answered
    n_logged: int
    seconds_behind: float

    @property
    def is_loss_free(self) -> bool:
        return self.answered.n_failed == 0 and self.n_logged >= self.answered.n_answered

    @property
    def is_sustained(self) -> bool:
        return self.is_loss_free and self.seconds_behind <= BEHIND_SECONDS


@contextmanager
def everything_up(cluster: Cluster) -> Iterator[Settings]:
    """Yield `pmmds up` with a trained model and three databases."""
    with ExitStack() as stack:
        own, dagster, mlflow = (stack.enter_context(cluster.fresh_database()) for _ in range(3))
        settings = msgspec.structs.replace(
            stack.enter_context(temporary_settings(log_level="warning")),
            database_url=own,
            dagster_database_url=dagster,
            mlflow_database_url=mlflow,
        )
        os.environ.update(settings.to_environment())
        migrate_database(settings)
        start(settings)
        stack.callback(stop, settings)
        train_versions(settings, 1)
        wait_for(lambda: is_answered(_url(settings), example_request(settings)))
        yield settings


def sustained() -> int:
    """Print the results, and return 1 if rows were lost or a request failed."""
    with temporary_cluster(syncs=True) as cluster, everything_up(cluster) as settings:
        tried = [_at_rate(settings, asked) for asked in RATES]
        tried.append(_as_fast_as_it_goes(settings))
    best = max((t.answered.requests_per_second for t in tried if t.is_sustained), default=0.0)
    print(f"sustained without loss, all on this machine: {best:,.0f} predictions/s")
    return int(not all(t.is_loss_free for t in tried))


def _at_rate(settings: Settings, asked: int) -> Tried:
    body = settings.home_path / "body.json"
    body.write_text(json.dumps(example_request(settings)))

    def load() -> Answered:
        found = hey(_url(settings), body, seconds=SECONDS, rate=asked, connections=HEY_CONNECTIONS)
        n_failed = sum(found.statuses.values()) - found.n_answered + int(found.has_errors)
        return Answered(found.requests_per_second, found.p95_ms, found.longest_ms, found.n_answered, n_failed)

    return _tried(settings, f"{asked:,}/s", load)


def _as_fast_as_it_goes(settings: Settings) -> Tried:
    def load() -> Answered:
        found = wrk(_url(settings), example_request(settings), connections=WRK_CONNECTIONS, seconds=SECONDS)
        return Answered(found.requests_per_second, found.p95_ms, found.max_ms, found.n_answered, found.n_failed)

    return _tried(settings, "all it can", load)


def _tried(settings: Settings, asked: str, load: Callable[[], Answered]) -> Tried:
    """Generate a load, wait until its rows are stored, then print and return the result."""
    log = Deployment(settings).prediction_log
    before = _settled(log)
    answered = load()
    behind = wait_for(lambda: log.count() - before >= answered.n_answered, seconds=120, pause=0.05)
    tried = Tried(asked, answered, _settled(log) - before, behind)
    print(_line(tried), flush=True)
    return tried


def _settled(log: PredictionLog) -> int:
    """Wait until no more rows arrive, and return the number of rows in the database."""
    found = -1
    while (now := log.count()) != found:
        found = now
        time.sleep(0.5)
    return found


def _url(settings: Settings) -> str:
    return client_url(settings.http_host, settings.http_port, "/api/v1/predict")


def _line(tried: Tried) -> str:
    found = tried.answered
    return (
        f"{tried.asked:>10} asked  {found.requests_per_second:8,.0f}/s answered   p95 {found.p95_ms:5.1f}  maximum "
        f"{found.longest_ms:6.1f} ms   {found.n_answered:8,} answered, {found.n_failed} failed, {tried.n_logged:8,} "
        f"logged, the last {tried.seconds_behind:.1f} s behind   {'sustained' if tried.is_sustained else 'NOT'}"
    )
