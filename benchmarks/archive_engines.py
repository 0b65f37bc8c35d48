"""Compare Spark (spark-submit) with DuckDB at counting an archived file in a profile's bins. Results are identical.

python -m benchmarks.archive_engines [--rows 4000000]        # needs `make .venv/.spark-ready`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.whole_process import Run, run
from pmmds_core.contracts.contract import load_contract
from pmmds_core.profiling.reference_profile import fit_profile
from pmmds_tests.harness.prediction_records import columns_of, make_records

ROOT = Path(__file__).parent.parent
N_DISTINCT, FEW, MILLION = 20_000, 20_000, 1_000_000

DUCKDB = """
import sys
from pathlib import Path
from pmmds_core.profiling.bins import SCORE
from pmmds_core.stores.files.column_sql import read_column
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.files.data_file import connect, open_data_file
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_core.workflows.spark_archive import SCORE_COLUMN, ArchiveCounts
profile = ReferenceProfile.from_json(Path(sys.argv[1]).read_bytes())
bins = {f.bins.feature: f.bins for f in profile.with_score}
with connect() as connection:
    file = open_data_file(connection, Path(sys.argv[2]))
    readings = [read_column(file.by_name[SCORE_COLUMN if n == SCORE else n], n, b.kind) for n, b in bins.items()]
    counts = FileCounter(connection, file).count(readings, bins)
    Path(sys.argv[3]).write_bytes(ArchiveCounts(profile.digest, file.n_rows, counts).to_json())
"""


def write(folder: Path, n_rows: int) -> Path:
    """Write `n_rows` rows with the log's features and score, in row groups of a million, by repeating distinct rows."""
    contract = load_contract("")
    records = make_records(contract, N_DISTINCT)
    columns: dict[str, pa.Array] = {name: pa.array(v) for name, v in columns_of(contract, records).items()}
    scores = np.array([r.probability for r in records])
    (folder / "profile.json").write_bytes(fit_profile(contract, columns_of(contract, records), scores).to_json())
    table = pa.table({**columns, "probability": pa.array(scores)})
    path = folder / f"{n_rows}.parquet"
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for start in range(0, n_rows, MILLION):
            times = -(-min(MILLION, n_rows - start) // N_DISTINCT)
            writer.write_table(pa.concat_tables([table] * times), row_group_size=MILLION)
    return path


def by_spark(folder: Path, file: Path) -> Run:
    import pyspark

    variables = {"SPARK_HOME": str(Path(pyspark.__file__).parent), "PYSPARK_PYTHON": sys.executable}
    variables |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    submit = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[2]"]
    submit += ["--conf", "spark.ui.enabled=false", str(ROOT / "deploy" / "spark" / "count_archive.py")]
    arguments = ["--profile", str(folder / "profile.json"), "--output", str(folder / "spark.json"), str(file)]
    return run([*submit, *arguments], variables)


def by_duckdb(folder: Path, file: Path) -> Run:
    return run([sys.executable, "-c", DUCKDB, str(folder / "profile.json"), str(file), str(folder / "duckdb.json")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4 * MILLION)
    n_rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = write(folder, FEW), write(folder, n_rows)
        for engine, count in (("Spark local[2]", by_spark), ("DuckDB", by_duckdb)):
            start, whole = count(folder, few), count(folder, many)
            cost = (whole.cpu_seconds - start.cpu_seconds) / (n_rows - FEW) * MILLION
            print(
                f"{engine}: 1,000,000 rows {cost:.2f} s CPU, start-up {start.cpu_seconds:.1f} s CPU; "
                f"{n_rows:,} rows in {whole.seconds:.1f} s of wall time (start-up {start.seconds:.1f} s)"
            )
        is_same = (folder / "spark.json").read_bytes() == (folder / "duckdb.json").read_bytes()
    print("byte-identical" if is_same else "DIFFERENT COUNTS")
    if not is_same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
