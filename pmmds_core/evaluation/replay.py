"""Traffic replay: scores recent requests with both models to show how many predictions would change.

The replay needs no labels. Not here: selecting recent rows (stores); a person evaluates the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pmmds_core.models.portable_scorer import Rows, Scorer
from pmmds_core.models.scorer_compiler import score_rows
from pmmds_core.statistics.classification import DECISION_THRESHOLD
from pmmds_core.statistics.intervals import wilson

HOURS = 24
# This is enough for a busy day. With 5,000 rows, a share is accurate to ± 0.014.
MAX_ROWS = 5_000
# With fewer requests, the share of changed predictions is accurate to 0.1 at best.
MIN_ROWS = 100
_N_BINS = 10


@dataclass(frozen=True)
class Replay:
    """The change in predictions if the challenger were promoted.

    All shares are relative to `n_rows`. `shift` is the mean of challenger minus champion. `bins` has the share of rows
    in each tenth of the score range, for the champion and the challenger.
    """

    n_rows: int
    flipped_share: float
    flipped_low: float
    flipped_high: float
    n_to_positive: int
    n_to_negative: int
    mean_probability_challenger: float
    mean_probability_champion: float
    shift: float
    mean_change: float
    largest_change: float
    bins: tuple[dict[str, Any], ...]


def replay(challenger: Scorer, champion: Scorer, rows: Rows) -> Replay | None:
    """Score the rows with both models.

    Returns None if there are no rows, which does not mean that nothing would change.
    """
    if not rows:
        return None
    new, old = score_rows(challenger, rows), score_rows(champion, rows)
    to_positive = int(((new >= DECISION_THRESHOLD) & (old < DECISION_THRESHOLD)).sum())
    to_negative = int(((new < DECISION_THRESHOLD) & (old >= DECISION_THRESHOLD)).sum())
    low, high = wilson(to_positive + to_negative, len(rows))
    return Replay(
        n_rows=len(rows),
        flipped_share=(to_positive + to_negative) / len(rows),
        flipped_low=low,
        flipped_high=high,
        n_to_positive=to_positive,
        n_to_negative=to_negative,
        mean_probability_challenger=float(new.mean()),
        mean_probability_champion=float(old.mean()),
        shift=float((new - old).mean()),
        mean_change=float(np.abs(new - old).mean()),
        largest_change=float(np.abs(new - old).max()),
        bins=_bins(new, old),
    )


def _bins(new: Any, old: Any) -> tuple[dict[str, Any], ...]:
    edges = np.linspace(0, 1, _N_BINS + 1)
    counts = [np.histogram(scores, edges)[0] / len(scores) for scores in (old, new)]
    return tuple(
        {"label": f"{edges[i]:.1f}–{edges[i + 1]:.1f}", "champion": float(was), "challenger": float(now)}
        for i, (was, now) in enumerate(zip(*counts, strict=True))
    )
