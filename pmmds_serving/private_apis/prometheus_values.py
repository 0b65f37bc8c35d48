"""Access to prometheus_client's value objects, to add many observations together and to share files between processes.

Not here: which metrics exist (metrics/counters.py), reserving disk space (metrics/shared_memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Histogram, Summary

# The prefixes of the shared files that the library creates for the metrics of metrics/counters.py.
FILE_KINDS = ("counter", "histogram", "summary", "gauge_livesum")


def share_values_as(process_id: int) -> None:
    """Use shared files for all values created from now on, with a fixed process id.

    Otherwise the library reads the process id at every count, in case the process has forked. A worker never forks.
    """
    from prometheus_client import values

    shared_values: Any = values.MultiProcessValue
    values.ValueClass = shared_values(process_identifier=lambda: process_id)


def add_to_histogram(histogram: Histogram, counts: Sequence[int], total: float) -> None:
    """Add observations to a histogram without labels or to a child of a histogram with labels.

    Args:
        histogram: the histogram, which is changed in place.
        counts: the number of observations in each bucket, not cumulative. The last bucket is +Inf.
        total: the sum of the observed values.
    """
    child: Any = histogram
    child._sum.inc(total)
    for bucket, n in zip(child._buckets, counts, strict=True):
        if n:
            bucket.inc(n)


def add_to_summary(summary: Summary, n: int, total: float) -> None:
    """Add `n` observations with the sum `total` to a summary without labels or to a child of a summary with labels."""
    child: Any = summary
    child._count.inc(n)
    child._sum.inc(total)
