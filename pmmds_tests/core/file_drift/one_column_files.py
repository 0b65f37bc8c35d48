"""The PSI of two columns, computed with numpy and pandas, and files with one column.

Not here: the rows that are written in many formats (conftest.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmmds_core.file_drift.compare import FileComparison

N = 1_000


def psi_of(reference: NDArray[Any], current: NDArray[Any]) -> float:
    """PSI of counts with half a row added to every bin, as defined in docs/drift-statistics.md."""
    r, c = reference + 0.5, current + 0.5
    r, c = r / r.sum(), c / c.sum()
    return float(((c - r) * np.log(c / r)).sum())


def psi_of_values(reference: pd.Series[Any], current: pd.Series[Any]) -> float:
    """PSI with one bin for each value of the reference and one bin for all other values."""
    r = reference.value_counts()
    c = current.value_counts().reindex(r.index).fillna(0).to_numpy()
    n_unseen = len(current) - c.sum()
    if n_unseen == 0:
        return psi_of(r.to_numpy(), c)
    return psi_of(np.append(r.to_numpy(), 0), np.append(c, n_unseen))


def psis(result: FileComparison) -> dict[str, float | None]:
    return {f.feature: f.psi for f in result.features}


def write_column(folder: Path, side: str, cells: Any) -> Path:
    path = folder / f"{side}.csv"
    pd.DataFrame({"plan": [f"p{i % 5}" for i in range(len(cells))], "x": list(cells)}).to_csv(
        path, sep=";", index=False
    )
    return path
