"""Counts rows with Spark in a separate process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pmmds_core.profiling.reference_profile import ReferenceProfile

# Spark runs in a separate process, because it keeps a JVM and sockets open.
SPARK = """
import json, sys
from pathlib import Path
from pyspark.sql import SparkSession
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.files.spark_counts import count_with_spark

folder = Path(sys.argv[1])
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
session = builder.config("spark.local.dir", str(folder / "local")).getOrCreate()
found = {}
for path in sorted(folder.glob("*.parquet")):
    profile = ReferenceProfile.from_json(path.with_suffix(".json").read_bytes())
    found[path.stem] = count_with_spark(session.read.parquet(str(path)), profile)
session.stop()
print(json.dumps(found))
"""


def spark_counts(folder: Path, tables: dict[str, tuple[pa.Table, ReferenceProfile]]) -> dict[str, Any]:
    """Return the counts and the number of rows for each table, using one Spark session with two threads."""
    for name, (table, profile) in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
        (folder / f"{name}.json").write_bytes(profile.to_json())
    done = subprocess.run(
        [sys.executable, "-c", SPARK, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))
