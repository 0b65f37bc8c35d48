"""On a local cluster, the spark-submit program gives byte-identical counts to DuckDB and the databases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import InputFileError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.files.column_sql import read_column
from pmmds_core.stores.files.data_file import connect, open_data_file
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_core.workflows.spark_archive import SCORE_COLUMN, ArchiveCounts, main, recorded_files
from pmmds_tests.deploy.manifests import ROOT
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records
from pmmds_tests.harness.system_programs import system_program

PROGRAM = ROOT / "deploy" / "spark" / "count_archive.py"
# A master and two workers with one executor each, so five JVMs. Both executors read Parquet.
CLUSTER = "local-cluster[2,1,1024]"
DAYS, ROWS_A_DAY, N_NULL = 3, 2000, 7
SUBMIT_SECONDS = 1200


@pytest.fixture
def profile(contract: Contract) -> ReferenceProfile:
    records = make_records(contract, 500, seed=9)
    return fit_profile(contract, columns_of(contract, records), np.array([r.probability for r in records]))


@pytest.fixture
def databases(tmp_path: Path, postgres_url: str, contract: Contract) -> Iterator[list[Database]]:
    """SQLite and PostgreSQL with the same days of the log, and a few rows with null features."""
    nothing: dict[str, FeatureValue] = {f.name: None for f in contract.features}
    with ExitStack() as stack:
        opened = [open_database(Settings(home=str(tmp_path), database_url=url)) for url in ("", postgres_url)]
        for database in opened:
            stack.callback(database.close)
            migrate(database, contract)
            log = PredictionLog(database, contract)
            for day in range(DAYS):
                start = NOON + timedelta(days=day)
                log.append(make_records(contract, ROWS_A_DAY, start=start, prefix=f"d{day}-", seed=day))
            log.append(make_records(contract, N_NULL, prefix="null-", seed=8, overrides=nothing))
        yield opened


@pytest.fixture
def archive(tmp_path: Path, databases: list[Database], contract: Contract) -> Path:
    """A folder with one Parquet file per day."""
    folder = tmp_path / "archive"
    folder.mkdir()
    table = prediction_logs(contract)
    with databases[0].connect() as connection:
        for day in range(DAYS):
            start = NOON.replace(hour=0) + timedelta(days=day)
            mine = (table.c.predicted_at >= start, table.c.predicted_at < start + timedelta(days=1))
            rows = connection.execute(sa.select(table).where(*mine)).mappings().all()
            columns = {c.name: pa.array([r[c.name] for r in rows], arrow_type(c)) for c in table.columns}
            pq.write_table(pa.table(columns), folder / f"{start:%Y-%m-%d}.parquet", compression="zstd")
    return folder


def arrow_type(column: sa.Column[object]) -> pa.DataType | None:
    """Return a column's Arrow type, which cannot be inferred if all its values are null."""
    if isinstance(column.type, sa.Float):
        return pa.float64()
    if isinstance(column.type, sa.Integer):
        return pa.int64()
    return pa.string() if isinstance(column.type, sa.String) else None


def submit(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    import pyspark

    home = str(Path(pyspark.__file__).parent)
    variables = {"SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    options = ["--master", CLUSTER, "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"]
    options += ["--conf", f"spark.local.dir={folder / 'local'}", "--conf", f"spark.sql.warehouse.dir={folder}"]
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("PMMDS_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("spark-submit")), *options, str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=SUBMIT_SECONDS,
        env={**inherited, **variables},
    )


@pytest.mark.scale
@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.timeout(SUBMIT_SECONDS + 300)
def test_spark_counts_equal_those_of_duckdb_and_the_databases(
    archive: Path, tmp_path: Path, databases: list[Database], contract: Contract, profile: ReferenceProfile
) -> None:
    pytest.importorskip("pyspark", reason="`make test-scale` installs Spark")
    system_program("java")
    saved, output = tmp_path / "profile.json", tmp_path / "counts.json"
    saved.write_bytes(profile.to_json())
    done = submit("--profile", str(saved), "--output", str(output), str(archive / "*.parquet"), folder=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    by_spark = output.read_bytes()
    for database in databases:
        assert by_spark == counted_by_the_database(database, contract, profile).to_json(), database.dialect
    assert by_spark == counted_by_duckdb(archive, profile).to_json()
    assert msgspec.json.decode(by_spark)["n_rows"] == DAYS * ROWS_A_DAY + N_NULL
    assert done.stderr.count("Executor added: app-") == 2, "both workers' executors joined"


def counted_by_the_database(database: Database, contract: Contract, profile: ReferenceProfile) -> ArchiveCounts:
    store = HistogramStore(database, contract)
    end = NOON + timedelta(days=DAYS)
    store.refresh(lambda _version: profile, contract.model_name, NOON, end, only_changed=False)
    merged = store.merged(contract.model_name, "1", NOON, end)
    return ArchiveCounts(profile.digest, merged.n_rows, {name: c.tolist() for name, c in merged.counts.items()})


def counted_by_duckdb(archive: Path, profile: ReferenceProfile) -> ArchiveCounts:
    bins = {f.bins.feature: f.bins for f in profile.with_score}
    total, n_rows = {name: np.zeros(b.n_bins, dtype=int) for name, b in bins.items()}, 0
    for path in sorted(archive.glob("*.parquet")):
        with connect() as connection:
            file = open_data_file(connection, path)
            names = {name: SCORE_COLUMN if name == SCORE else name for name in bins}
            readings = [read_column(file.by_name[names[n]], bins[n]) for n in bins]
            for name, counts in FileCounter(connection, file).count(readings, bins).items():
                total[name] += counts
            n_rows += file.n_rows
    return ArchiveCounts(profile.digest, n_rows, {name: c.tolist() for name, c in total.items()})


def test_files_without_a_record_are_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["file:/archive/2026-03-01.a.parquet", "file:/an%20archive/2026-03-01.b.parquet"]
    assert recorded_files(files, {"2026-03-01.b.parquet"}) == ["file:/an archive/2026-03-01.b.parquet"]
    assert capsys.readouterr().err == "Skipped 1 file not recorded in the database.\n"
    with pytest.raises(InputFileError, match="The database records none of the 2 specified files"):
        recorded_files(files, set())


def test_invalid_profile_is_rejected_before_spark_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "profile.json"
    bad.write_text("{}")
    assert main(["--profile", str(bad), "day.parquet"]) == 2
    assert capsys.readouterr().err.startswith(f"Error: The profile {bad} cannot be read: ")


@pytest.mark.scale
@pytest.mark.process
@pytest.mark.timeout(SUBMIT_SECONDS)
def test_missing_files_are_reported_in_one_sentence(tmp_path: Path, profile: ReferenceProfile) -> None:
    pytest.importorskip("pyspark", reason="`make test-scale` installs Spark")
    system_program("java")
    saved = tmp_path / "profile.json"
    saved.write_bytes(profile.to_json())
    # Run without spark-submit, which may exit before it has forwarded the last output.
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--profile", str(saved), str(tmp_path / "none-*.parquet")],
        capture_output=True,
        text=True,
        check=False,
        timeout=SUBMIT_SECONDS,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr[-4000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "none-" in errors[0]
