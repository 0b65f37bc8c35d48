"""Loss-free predictions a second with everything on one machine: the load, the service, PostgreSQL, Dagster, MLflow.

What `pmmds up` starts, on one PostgreSQL that syncs, is asked at rising rates. A rate is sustained when it was reached,
nothing failed, and the last row was in the database soon after the last answer: no backlog grew.
Keep out: the longest run and its memory (soak).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.deployments import example_request, is_answered, temporary_settings, train_versions, wait_for
from benchmarks.hey import Steady, hey
from pmmds_cli.service_commands import start, stop
from pmmds_core.contracts.contract import load_contract
from pmmds_core.deployment import Deployment
from pmmds_core.settings import Settings
from pmmds_core.stores.database import open_database
from pmmds_core.stores.migration import migrate
from pmmds_tests.postgres import Cluster, temporary_cluster

RATES = (1_000, 2_000, 3_000, 4_000, 6_000, 8_000)
# hey paces its connections apart from each other, and gives a little less than it was asked for.
REACHED = 0.97
# The shipper hands over several times a second; more than this is a backlog.
BEHIND_SECONDS = 2.0
SECONDS = 20.0


@dataclass(frozen=True)
class Rate:
    """One rate that was asked for, and what came of it."""

    asked: int
    steady: Steady
    n_logged: int
    seconds_behind: float

    @property
    def is_sustained(self) -> bool:
        reached = self.steady.requests_per_second >= REACHED * self.asked
        return reached and self.is_loss_free and self.seconds_behind <= BEHIND_SECONDS

    @property
    def is_loss_free(self) -> bool:
        return self.steady.is_clean and self.n_logged == self.steady.n_answered


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
    """Print the rates up to the first that is not sustained; 1 when rows were lost or a request failed."""
    tried: list[Rate] = []
    with temporary_cluster(syncs=True) as cluster, everything_up(cluster) as settings:
        body = settings.home_path / "body.json"
        body.write_text(json.dumps(example_request(settings)))
        d = Deployment(settings)
        for asked in RATES:
            tried.append(_try(d, body, asked))
            print(_line(tried[-1]), flush=True)
            if not tried[-1].is_sustained:
                break
    best = max((r.steady.requests_per_second for r in tried if r.is_sustained), default=0.0)
    print(f"sustained without loss, everything on this machine: {best:,.0f} predictions/s")
    return int(not all(r.is_loss_free for r in tried))


def _try(d: Deployment, body: Path, asked: int) -> Rate:
    before = _settled(d)
    steady = hey(_url(d.settings), body, seconds=SECONDS, rate=asked)
    wait = wait_for(lambda: d.prediction_log.count() - before >= steady.n_answered, seconds=120, pause=0.05)
    return Rate(asked, steady, _settled(d) - before, wait)


def _settled(d: Deployment) -> int:
    """Rows in the database when no more come."""
    found = -1
    while (now := d.prediction_log.count()) != found:
        found = now
        time.sleep(0.5)
    return found


def _url(settings: Settings) -> str:
    return f"http://{settings.http_host}:{settings.http_port}/api/v1/predict"


def _line(rate: Rate) -> str:
    s = rate.steady
    return (
        f"{rate.asked:6,}/s asked  {s.requests_per_second:8,.0f}/s answered   p95 {s.p95_ms:5.1f}  longest "
        f"{s.longest_ms:6.1f} ms   {s.n_answered:8,} answered 200, {rate.n_logged:8,} logged, the last "
        f"{rate.seconds_behind:.1f} s after its answer   {'sustained' if rate.is_sustained else 'NOT sustained'}"
    )
