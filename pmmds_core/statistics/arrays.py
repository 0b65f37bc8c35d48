"""Array type aliases shared by statistics, drift and evaluation. Not here: functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# (n_bins,): number of rows per bin, and share of rows per bin.
Counts: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]
# Floats, (rows, columns) unless a function's docstring gives another shape.
Matrix: TypeAlias = NDArray[np.float64]
# (n_rows,): 0 or 1 per row, and P(1) per row.
Labels: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float64]
