"""Types of bin counts that readers and reports share. Keep out: counting (stores)."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Counts (n_bins,) by hour and feature.
HourlyCounts: TypeAlias = dict[datetime, dict[str, NDArray[np.int64]]]
