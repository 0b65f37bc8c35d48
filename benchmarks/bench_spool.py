"""Measure how long the spool takes to store a prediction before the response, compared with alternatives.

python -m benchmarks.bench_spool [--records 20000] [--repeats 3]

Each alternative stores the same MessagePack records, one per call, including their encoding. No alternative loses a
record when its process is killed. The loss in a power failure differs and is printed. The libraries are not
dependencies of PMMDS. Run `pip install persist-queue litequeue` to include them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pmmds_core.contracts.contract import load_contract
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_serving.spool.spool import Spool
from pmmds_serving.spool.sync import SpoolSyncer

SYNC_SECONDS = 0.1
Append = Callable[[PredictionRecord], object]

encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True)
class Way:
    """A way to store records.

    `takes` describes what a power failure loses, and `package` provides the module `module`.
    """

    name: str
    takes: str
    opened: Callable[[Path], Any]
    module: str = ""
    package: str = ""


@dataclass(frozen=True)
class Figures:
    """The results of one run: appends per second, the latency's median and p99 in µs, and bytes on disk per record."""

    per_second: float
    median_us: float
    p99_us: float
    bytes_each: float


@contextmanager
def ours(folder: Path) -> Iterator[Append]:
    spool = Spool(folder, load_contract("").feature_names)
    syncer = SpoolSyncer(spool, SYNC_SECONDS)
    syncer.start()
    yield lambda record: spool.append([record])
    syncer.stop()


def sqlite(synchronous: str) -> Callable[[Path], Any]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Append]:
        with closing(sqlite3.connect(folder / "spool.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("CREATE TABLE spool (id INTEGER PRIMARY KEY, record BLOB NOT NULL)")
            insert = "INSERT INTO spool (record) VALUES (?)"
            yield lambda record: connection.execute(insert, (encode(record),))

    return opened


@contextmanager
def sqlite_synced(folder: Path) -> Iterator[Append]:
    """Give SQLite the spool's guarantee: synchronous NORMAL, and a thread that syncs the WAL at the same interval."""
    ended = threading.Event()

    def sync() -> None:
        with (folder / "spool.db-wal").open("rb") as wal:
            while not ended.wait(SYNC_SECONDS):
                os.fdatasync(wal.fileno())

    with sqlite("NORMAL")(folder) as append:
        thread = threading.Thread(target=sync)
        thread.start()
        yield append
        ended.set()
        thread.join()


@contextmanager
def persist_queue_sqlite(folder: Path) -> Iterator[Append]:
    queue = importlib.import_module("persistqueue").SQLiteQueue(str(folder), auto_commit=True)
    yield lambda record: queue.put(encode(record))
    queue.close()


@contextmanager
def persist_queue_files(folder: Path) -> Iterator[Append]:
    queue = importlib.import_module("persistqueue").Queue(str(folder), tempdir=str(folder))
    yield lambda record: queue.put(encode(record))
    queue.headf.close()  # The queue has no close() method.
    queue.tailf.close()


@contextmanager
def litequeue(folder: Path) -> Iterator[Append]:
    queue = importlib.import_module("litequeue").LiteQueue(str(folder / "queue.db"))
    yield lambda record: queue.put(encode(record))
    queue.close()


UNTIL_CHECKPOINT = "all rows since the last WAL checkpoint"
WAYS = (
    Way("PMMDS spool", f"the last {SYNC_SECONDS:g} s", ours),
    Way("SQLite, WAL, NORMAL, synced by a thread", f"the last {SYNC_SECONDS:g} s", sqlite_synced),
    Way("SQLite, WAL, synchronous NORMAL", UNTIL_CHECKPOINT, sqlite("NORMAL")),
    Way("SQLite, WAL, synchronous FULL", "nothing", sqlite("FULL")),
    Way("persist-queue, SQLite", "nothing", persist_queue_sqlite, "persistqueue", "persist-queue"),
    Way(
        "persist-queue, files",
        "rows that the kernel had not written",
        persist_queue_files,
        "persistqueue",
        "persist-queue",
    ),
    Way("litequeue", UNTIL_CHECKPOINT, litequeue, "litequeue", "litequeue"),
)


def some_records(n_records: int) -> list[PredictionRecord]:
    contract = load_contract("")
    features = tuple(contract.example()[name] for name in contract.feature_names)
    now = datetime.now(UTC)
    return [
        PredictionRecord(f"{i:032x}", now, contract.model_name, "1", 1, 0.731, 0.21, features) for i in range(n_records)
    ]


def measure(way: Way, records: Sequence[PredictionRecord]) -> Figures:
    with tempfile.TemporaryDirectory(prefix="pmmds-bench-") as name:
        folder = Path(name)
        with way.opened(folder) as append:
            append(records[0])
            times = [_timed(append, record) for record in records]
            n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    times.sort()
    n = len(times)
    return Figures(n / sum(times), times[n // 2] * 1e6, times[int(n * 0.99)] * 1e6, n_bytes / n)


def _timed(append: Append, record: PredictionRecord) -> float:
    began = time.perf_counter()
    append(record)
    return time.perf_counter() - began


def is_installed(way: Way) -> bool:
    return not way.module or importlib.util.find_spec(way.module) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    records = some_records(chosen.records)
    print(
        f"{chosen.records:,} records of {len(encode(records[0]))} bytes, one per call, medians of {chosen.repeats} runs"
    )
    print(f"{'':32} {'appends/s':>10} {'median':>9} {'p99':>9} {'on disk':>9}  {'ratio':>6}  lost in a power failure")
    base = 0.0
    for way in WAYS:
        if not is_installed(way):
            print(f"{way.name:32} not installed: pip install {way.package}")
            continue
        runs = [measure(way, records) for _ in range(chosen.repeats)]
        per_second, median_us, p99_us, each = (
            statistics.median(getattr(run, name) for run in runs) for name in Figures.__dataclass_fields__
        )
        base = base or per_second
        print(
            f"{way.name:32} {per_second:10,.0f} {median_us:6.1f} µs {p99_us:6.1f} µs {each:7.0f} B  "
            f"{base / per_second:6.1f}  {way.takes}"
        )


if __name__ == "__main__":
    main()
