"""Measures the scoring time per row of two scorers in alternation.

Not here: the latency limit (policies/promotion.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.models.portable_scorer import Rows, Scorer

LATENCY_ROWS = 400
_ROUNDS = 15
# The 4th and 12th smallest of 15 independent ratios enclose the median with 96.5% probability (binomial test).
_LOW, _HIGH = 3, 11
# The maximum duration of a round in milliseconds. Slow scorers are therefore measured on fewer rows.
_MAX_ROUND_MS = 300.0
_MIN_ROWS = 5


@dataclass(frozen=True)
class ScoringTime:
    """The scoring times in milliseconds per row, and the challenger/champion ratio with its 96.5% interval."""

    challenger_ms: float
    champion_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    n_calls: int


def compare_scoring_time(challenger: Scorer, champion: Scorer, rows: Rows) -> ScoringTime:
    """Time single-row calls of both scorers on the same rows, alternating which scorer runs first.

    Each round's ratio is the ratio of the two medians, so a single interrupted call has no effect, and a temporary
    slowdown affects both scorers equally. The returned ratio is the median over the rounds.
    """
    slower = max(_call_ms(challenger, rows[0]), _call_ms(champion, rows[0]))
    sample = rows[: max(_MIN_ROWS, min(LATENCY_ROWS, round(_MAX_ROUND_MS / slower)))]
    rounds = [_round(challenger, champion, sample) for _ in range(_ROUNDS)]
    ratios = sorted(first / second for first, second in rounds)
    return ScoringTime(
        challenger_ms=median(r[0] for r in rounds),
        champion_ms=median(r[1] for r in rounds),
        ratio=median(ratios),
        ratio_low=ratios[_LOW],
        ratio_high=ratios[_HIGH],
        n_calls=_ROUNDS * len(sample),
    )


def _round(first: Scorer, second: Scorer, rows: Rows) -> tuple[float, float]:
    """Return each scorer's median time per call in milliseconds."""
    taken: tuple[list[float], list[float]] = ([], [])
    for i, row in enumerate(rows):
        turns = ((0, first), (1, second)) if i % 2 == 0 else ((1, second), (0, first))
        for which, scorer in turns:
            taken[which].append(_call_ms(scorer, row))
    return median(taken[0]), median(taken[1])


def _call_ms(scorer: Scorer, row: Sequence[FeatureValue]) -> float:
    started = time.perf_counter_ns()
    scorer.probability(row)
    return max(time.perf_counter_ns() - started, 1) / 1e6
