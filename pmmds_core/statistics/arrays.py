"""Array type aliases shared by statistics, drift and evaluation. Not here: functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# The number of rows and the share of rows in each bin, with shape (n_bins,).
Counts: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]
# Floats of shape (rows, columns) unless a function's docstring specifies another shape.
Matrix: TypeAlias = NDArray[np.float64]
# The label (0 or 1) and the probability P(1) of each row, with shape (n_rows,).
Labels: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float64]
