"""The type of bin counts by hour, shared by stores and reports.

Not here: counting (stores/monitoring/hourly_counts.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# A mapping from hour and feature to counts of shape (n_bins,).
HourlyCounts: TypeAlias = dict[datetime, dict[str, NDArray[np.int64]]]
