"""Other drift libraries, used as their documentation recommends.

Each library has its own environment, which uv creates in a cache folder. Not here: measurements (drift.py).

    python -m benchmarks.drift_peers        # create the environments
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "pmmds-benchmarks"

READ = """
import sys, pandas as pd
reference, current = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
numeric = [c for c in reference if reference[c].dtype != object]
categorical = [c for c in reference if reference[c].dtype == object]
"""

EVIDENTLY = (
    READ
    + """
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
snapshot = Report([DataDriftPreset(method="psi")]).run(
    Dataset.from_pandas(current, definition), Dataset.from_pandas(reference, definition))
print(len(snapshot.dict()["metrics"]))
"""
)

WHYLOGS = (
    READ
    + """
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores
target, base = why.log(pandas=current).view(), why.log(pandas=reference).view()
print(len(calculate_drift_scores(target_view=target, reference_view=base)))
"""
)

NANNYML = (
    READ
    + """
import nannyml as nml
calculator = nml.UnivariateDriftCalculator(
    column_names=numeric + categorical, treat_as_categorical=categorical, chunk_number=1,
    continuous_methods=["jensen_shannon"], categorical_methods=["jensen_shannon"])
calculator.fit(reference)
print(len(calculator.calculate(current).to_df()))
"""
)

POPMON = (
    READ
    + """
import popmon
reference["at"], current["at"] = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")
report = popmon.df_stability_report(
    current, reference_type="external", reference=reference, time_axis="at", time_width="30d")
print(len(report.datastore))
"""
)

ALIBI = (
    READ
    + """
import numpy as np
from alibi_detect.cd import TabularDrift
codes = {c: {v: i for i, v in enumerate(sorted(reference[c].unique()))} for c in categorical}
def matrix(frame):
    return np.column_stack([frame[c].map(codes[c]).to_numpy(float) if c in codes else frame[c].to_numpy(float)
                            for c in frame])
categories = {i: None for i, c in enumerate(reference) if c in codes}
detector = TabularDrift(matrix(reference), p_val=0.05, categories_per_feature=categories)
print(len(detector.predict(matrix(current), drift_type="feature")["data"]["p_val"]))
"""
)

FROUROS = (
    READ
    + """
from frouros.detectors.data_drift import PSI, ChiSquareTest
done = 0
for name in reference:
    detector = PSI(num_bins=10) if name in numeric else ChiSquareTest()
    detector.fit(X=reference[name].to_numpy())
    detector.compare(X=current[name].to_numpy())
    done += 1
print(done)
"""
)

PANDAS = (
    READ
    + """
import numpy as np
for name in reference:
    if name in numeric:
        edges = np.unique(np.quantile(reference[name], np.arange(1, 10) / 10))
        a = np.bincount(np.searchsorted(edges, reference[name]), minlength=len(edges) + 1)
        b = np.bincount(np.searchsorted(edges, current[name]), minlength=len(edges) + 1)
    else:
        a, b = reference[name].value_counts(dropna=False).align(current[name].value_counts(dropna=False), fill_value=0)
    a, b = (np.asarray(a) + 0.5) / (np.sum(a) + 0.5), (np.asarray(b) + 0.5) / (np.sum(b) + 0.5)
    print(name, float(np.sum((b - a) * np.log(b / a))))
"""
)

# This is the minimum work for DuckDB: it only counts values, without bin edges, measures or a verdict.
BARE_DUCKDB = """
import sys, duckdb
connection = duckdb.connect()
for file in sys.argv[1:]:
    for name, *_ in connection.execute(f"SELECT * FROM '{file}' LIMIT 0").description:
        connection.execute(f'SELECT "{name}", count(*) FROM \\'{file}\\' GROUP BY 1').fetchall()
"""


@dataclass(frozen=True)
class Peer:
    """A library to compare with.

    `requirements` lists its environment's packages. If empty, PMMDS's environment is used.
    """

    name: str
    script: str
    requirements: tuple[str, ...] = ()

    @property
    def is_packaged(self) -> bool:
        return bool(self.requirements)

    @property
    def home(self) -> Path:
        return CACHE / self.name

    @property
    def interpreter(self) -> str:
        return str(self.home / "bin" / "python") if self.requirements else sys.executable


PEERS = (
    Peer("evidently", EVIDENTLY, ("evidently==0.7.*", "pandas<3", "pyarrow")),
    Peer("whylogs", WHYLOGS, ("whylogs[viz]==1.6.*", "pandas<2.2", "numpy<2", "pyarrow<18", "setuptools<80")),
    Peer("nannyml", NANNYML, ("nannyml==0.13.*", "statsmodels", "pandas<3", "pyarrow")),
    Peer("popmon", POPMON, ("popmon", "pandas<3", "pyarrow", "setuptools<80")),
    Peer("alibi-detect", ALIBI, ("alibi-detect==0.12.*", "pandas<2.3", "numpy<2", "pyarrow<18", "setuptools<80")),
    Peer("frouros", FROUROS, ("frouros", "pandas<3", "pyarrow")),
    Peer("pandas by hand", PANDAS),
    Peer("bare DuckDB", BARE_DUCKDB),
)


def prepare(peer: Peer) -> None:
    """Create the library's environment if it does not exist. Raises RuntimeError if uv fails."""
    ready = peer.home / ".ready"
    if not peer.requirements or (ready.exists() and ready.read_text() == repr(peer.requirements)):
        return
    uv = [str(Path(sys.executable).with_name("uv"))]
    steps = (
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(peer.home)],
        [*uv, "pip", "install", "--quiet", "--python", peer.interpreter, *peer.requirements],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
    ready.write_text(repr(peer.requirements))


def main() -> None:
    for peer in PEERS:
        prepare(peer)
        print(f"{peer.name}: ready", flush=True)


if __name__ == "__main__":
    main()
