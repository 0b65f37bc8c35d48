"""Names of the arrays that statistics, drift and evaluation pass around. Keep out: functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Rows per bin, (n_bins,), and the same as shares of the rows.
Counts: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]
# Any array of floats, (rows, columns) unless a function says otherwise.
Matrix: TypeAlias = NDArray[np.float64]
# 0 or 1 for each row, (n_rows,), and the scores of the same rows.
Labels: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float64]
