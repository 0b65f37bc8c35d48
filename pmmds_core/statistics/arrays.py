"""Array type aliases shared by statistics, drift and evaluation. Not here: functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Number of rows and share of rows per bin, (n_bins,).
Counts: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]
# Floats of shape (rows, columns) unless a function's docstring specifies another shape.
Matrix: TypeAlias = NDArray[np.float64]
# Labels (0 or 1) and probabilities P(1) per row, (n_rows,).
Labels: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float64]
