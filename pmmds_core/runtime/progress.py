"""The callback by which a long operation reports its progress.

Not here: progress bars (pmmds_cli/output/progress.py).
"""

from __future__ import annotations

from collections.abc import Callable

# Called with the number of completed units and their total; the unit is the caller's: rows, pages, steps.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Ignore the progress."""
