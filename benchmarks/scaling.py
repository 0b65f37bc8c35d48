"""Measure the cost of shipping and storing a prediction in PostgreSQL, for docs/scaling.md.

    python -m benchmarks.scaling [--rows 200000]

Times are processor times of this process and of the server, because other load on the machine hardly affects them.
Rows are written 2,000 per transaction, like the shipper's. The alternative copies the same rows with COPY into a table
with the same columns and indexes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.prediction_records import columns_of, make_records

ROWS_A_TRANSACTION = 2000
MILLION = 1_000_000
N_DISTINCT = 20_000


@dataclass(frozen=True)
class Cost:
    """The processor time of this process and of PostgreSQL, and the wall time, in seconds."""

    ours: float
    servers: float
    wall: float

    @property
    def together(self) -> float:
        return self.ours + self.servers


def server_seconds(cluster: Cluster) -> float:
    """Return the processor time of the server and its child processes, including those that have exited."""
    listening = next(
        p for p in psutil.process_iter() if p.name() == "postgres" and f"-p {cluster.port}" in " ".join(_argv(p))
    )
    family = [listening, *listening.children(recursive=True)]
    times = [p.cpu_times() for p in family]
    ended = listening.cpu_times()
    return sum(t.user + t.system for t in times) + ended.children_user + ended.children_system


def _argv(process: psutil.Process) -> Sequence[str]:
    return [] if process.status() == psutil.STATUS_ZOMBIE else [str(a) for a in process.cmdline()]


def cost(cluster: Cluster, work: Callable[[], object]) -> Cost:
    before, began = server_seconds(cluster), time.perf_counter()
    ours = time.process_time()
    work()
    return Cost(time.process_time() - ours, server_seconds(cluster) - before, time.perf_counter() - began)


def ship(log: PredictionLog, records: Sequence[PredictionRecord]) -> None:
    for i in range(0, len(records), ROWS_A_TRANSACTION):
        log.append(records[i : i + ROWS_A_TRANSACTION])


def copied(database: Database, table: sa.Table, cluster: Cluster) -> Cost:
    """Write the logged rows from memory with COPY into an empty table that has the same columns and indexes."""
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.autocommit = True
        raw.execute(f"CREATE TABLE peer (LIKE {table.name} INCLUDING ALL)")
        with raw.cursor().copy(f"COPY (SELECT * FROM {table.name}) TO STDOUT") as out:
            rows = b"".join(bytes(part) for part in out)

        def copy_in() -> None:
            with raw.cursor().copy("COPY peer FROM STDIN") as into:
                into.write(rows)

        return cost(cluster, copy_in)


def again(record: PredictionRecord, i: int, at: datetime) -> PredictionRecord:
    """Return a copy of a record with another id and time."""
    return msgspec.structs.replace(record, request_id=f"{i:032x}", predicted_at=at)


def archive(database: Database, table: sa.Table, path: Path) -> int:
    """Return the size of the log's distinct rows as a Parquet file with zstd compression.

    Real values would compress better.
    """
    with database.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.predicted_at).limit(N_DISTINCT)).mappings().all()
    columns = {c.name: pa.array([r[c.name] for r in rows]) for c in table.columns}
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    n_rows = parser.parse_args().rows
    contract = load_contract("")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    records = make_records(contract, n_rows, start=start, step=timedelta(seconds=3000 / n_rows))
    profile = fit_profile(
        contract, columns_of(contract, records[:7000]), np.array([r.probability for r in records[:7000]])
    )
    with temporary_cluster() as cluster, cluster.fresh_database() as url, tempfile.TemporaryDirectory() as folder:
        database = open_database(Settings(home=folder, database_url=url))
        migrate(database, contract)
        measure(cluster, database, contract, records, profile, start, Path(folder))
        database.close()


def measure(
    cluster: Cluster,
    database: Database,
    contract: Contract,
    records: Sequence[PredictionRecord],
    profile: ReferenceProfile,
    start: datetime,
    folder: Path,
) -> None:
    table, n_rows = prediction_logs(contract), len(records)
    shipped = cost(cluster, lambda: ship(PredictionLog(database, contract), records))
    tell("one row into the log", shipped, n_rows)
    peer = copied(database, table, cluster)
    tell("the same by COPY", peer, n_rows)
    print(f"ratio of processor time (COPY / PMMDS): {peer.together / shipped.together:.2f}")
    with database.connect() as connection:
        size = connection.execute(sa.text("SELECT pg_total_relation_size('peer')")).scalar_one()
    print(f"bytes per row in PostgreSQL, including indexes: {size / n_rows:.0f}")
    store = HistogramStore(database, contract)
    end = start + timedelta(hours=1)
    counting = cost(
        cluster, lambda: store.refresh(lambda _v: profile, contract.model_name, start, end, only_changed=False)
    )
    print(f"histograms of 1,000,000 rows in PostgreSQL: {counting.together / n_rows * MILLION:.2f} s of processor time")
    size = archive(database, table, folder / "day.parquet")
    print(f"archive: {size / min(n_rows, N_DISTINCT):.0f} MB for 1,000,000 rows")


def tell(what: str, found: Cost, n_rows: int) -> None:
    ours, servers = (1e6 * s / n_rows for s in (found.ours, found.servers))
    by_wall = n_rows / found.wall
    print(f"{what}: {ours:.1f} µs of this process, {servers:.1f} µs of PostgreSQL; {by_wall:,.0f} rows/s by wall time")


if __name__ == "__main__":
    main()
