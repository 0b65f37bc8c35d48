"""Measure rows per second into PostgreSQL by the shipper and by psql's \\copy, and rows archived per second.

The shipper decodes spool files, stores each id once and deletes the files, whereas \\copy only reads a CSV file. Both
fill a table with the same columns, key, indexes and partitions, on a server with fsync off.
"""

from __future__ import annotations

import csv
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.deployments import migrate_database
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.partitions import keep_days
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.stores.predictions.request_ids import uuid7_timestamp_prefix
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.segment import Segment, encode_record
from pmmds_tests.harness.postgres import Cluster, temporary_cluster

# Rows per log segment. A worker writes the smallest number in 0.1 s at 2,000 predictions per second, and larger ones
# during a backlog.
STEADY_ROWS, BACKLOG_ROWS = 200, 5_000
MIN_RATIO = 0.4


def make_records(contract: Contract, n_rows: int, start: datetime) -> list[PredictionRecord]:
    """Return rows from the reference distribution, a millisecond apart, with prediction ids in the service's format."""
    frame = packaged_generator().sample(5_000, 1)
    rows = [tuple(row) for row in frame[list(contract.feature_names)].itertuples(index=False, name=None)]
    records = []
    for i in range(n_rows):
        at = start + i * timedelta(milliseconds=1)
        features = rows[i % len(rows)]
        records.append(
            PredictionRecord(
                f"{uuid7_timestamp_prefix(at)}8{i:015x}",
                at,
                contract.model_name,
                "1",
                i % 2,
                i % 997 / 997,
                0.25,
                features,
            )
        )
    return records


@contextmanager
def temporary_deployment(cluster: Cluster) -> Iterator[Deployment]:
    """Yield a deployment with an empty, migrated database and a temporary `PMMDS_HOME`."""
    with cluster.fresh_database() as url, tempfile.TemporaryDirectory() as home:
        deployment = Deployment(Settings(home=home, database_url=url, retention_days=1))
        migrate_database(deployment.settings)
        yield deployment
        deployment.database.close()


def shipped_per_second(cluster: Cluster, records: Sequence[PredictionRecord], segment_rows: int) -> float:
    """Return how many rows per second the shipper commits from spool files."""
    with temporary_deployment(cluster) as deployment:
        folder, names = deployment.folder("spool"), deployment.contract.feature_names
        for start in range(0, len(records), segment_rows):
            segment = Segment.create(folder, f"bench-{start:09d}", names)
            segment.write(b"".join(map(encode_record, records[start : start + segment_rows])))
            segment.close()
        deployment.prediction_log.count()  # A running shipper has already opened the database.
        shipper = Shipper(folder, lambda: deployment.prediction_log, names)
        began = time.perf_counter()
        while any(folder.glob("*.spool")):
            if not shipper.ship():
                raise SystemExit(f"The shipper failed: {shipper.state.problem}")
        seconds = time.perf_counter() - began
        if deployment.prediction_log.count() != len(records):
            raise SystemExit("rows are missing")
    return len(records) / seconds


def copied_per_second(cluster: Cluster, contract: Contract, records: Sequence[PredictionRecord], file: Path) -> float:
    """Return how many rows per second psql copies from an existing CSV file."""
    fixed = PredictionRecord.__struct_fields__[:-1]
    columns = ", ".join((*fixed, "ingested_at", *contract.feature_names))
    if not file.exists():
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            for r in records:
                *values, features = msgspec.structs.astuple(r)
                writer.writerow([*values, r.predicted_at.replace(tzinfo=None), *features])
    with temporary_deployment(cluster) as deployment:
        url = deployment.settings.database_url
        command = f"\\copy prediction_logs ({columns}) from '{file}' csv"
        began = time.perf_counter()
        subprocess.run([_psql(), "-q", "-v", "ON_ERROR_STOP=1", url, "-c", command], check=True)
        seconds = time.perf_counter() - began
        if deployment.prediction_log.count() != len(records):
            raise SystemExit("rows are missing")
    return len(records) / seconds


def _psql() -> str:
    found = shutil.which("psql")
    if found is None:
        raise SystemExit("psql is not installed. Debian and Ubuntu: apt-get install postgresql-client.")
    return found


def archived_per_second(cluster: Cluster, contract: Contract, n_rows: int) -> tuple[float, float]:
    """Return the number of rows archived per second and of bytes per row.

    Each row is read, written, verified and deleted.
    """
    day = datetime(2026, 3, 1, tzinfo=UTC)
    with temporary_deployment(cluster) as deployment:
        records = make_records(contract, n_rows, day)
        for start in range(0, n_rows, 20_000):
            deployment.prediction_log.append(records[start : start + 20_000])
        keep_days(deployment.database)
        began = time.perf_counter()
        parts = deployment.archive.archive(day)
        seconds = time.perf_counter() - began
    if sum(p.n_rows for p in parts) != n_rows:
        raise SystemExit("rows are missing")
    return n_rows / seconds, sum(p.n_bytes for p in parts) / n_rows


def copied(n_rows: int, repeats: int) -> int:
    """Run the shipper and psql alternately and print their rates. Return 1 if a median ratio misses its target."""
    contract = load_contract("")
    records = make_records(contract, n_rows, datetime.now(UTC))
    ratios: dict[int, list[float]] = {STEADY_ROWS: [], BACKLOG_ROWS: []}
    with temporary_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            peer = copied_per_second(cluster, contract, records, Path(folder) / "rows.csv")
            for rows, found in ratios.items():
                shipped = shipped_per_second(cluster, records, rows)
                found.append(shipped / peer)
                print(f"\\copy {peer:,.0f} rows/s; shipper, {rows:,} rows per log segment: {shipped:,.0f}", flush=True)
    for rows, found in ratios.items():
        print(f"shipper / \\copy   {statistics.median(found):.2f}  ({rows:,} rows per log segment; target {MIN_RATIO})")
    return int(min(map(statistics.median, ratios.values())) < MIN_RATIO)


def archived(n_rows: int) -> None:
    """Print the number of archived rows per second."""
    with temporary_cluster() as cluster:
        rate, size = archived_per_second(cluster, load_contract(""), n_rows)
    print(f"archived          {rate:,.0f} rows/s, {size:.0f} bytes per row")
