"""One-sentence statements of the largest change in a feature, and the bins that changed most.

The statements are for readers who know the data but not statistics, for example "contract: Month-to-month 55% → 71% of
rows", "tenure: at most 12 in 31% → 45% of rows". Not here: measures (measures.py) and verdicts (policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pmmds_core.profiling.bins import SCORE, FeatureBins, number_text
from pmmds_core.statistics.arrays import Shares

# For smaller changes, both percentages would be the same after rounding.
MIN_MOVE = 0.005
MAX_MOVED_BINS = 3


def moved_bins(reference: Shares, current: Shares) -> list[int]:
    """Return the indices of the bins whose share of rows changed most, largest change first.

    There are at most MAX_MOVED_BINS indices.
    """
    change = np.abs(current - reference)
    order = np.argsort(-change, kind="stable")[:MAX_MOVED_BINS]
    return [int(i) for i in order if change[i] > 0]


def statement(bins: FeatureBins, reference: Shares | None, current: Shares | None) -> str:
    """Describe the largest change of a share in one sentence without a period.

    Args:
        bins: the bins of the feature.
        reference: an array of shape (n_bins,) with the shares of rows, or None if there are no rows.
        current: the same for the current rows.
    """
    name = "score" if bins.feature == SCORE else bins.feature
    if reference is None or current is None:
        side = "the reference" if reference is None else "the window"
        return f"{name}: no rows in {side}, so there is nothing to compare"
    moves = [_special(bins, i, reference, current) for i in range(bins.n_bins) if i in special_indices(bins)]
    if bins.n_ordered:
        moves += _ordered(name, bins, reference, current)
    else:
        moves += [_value(name, bins, i, reference, current) for i in range(bins.n_values)]
    change, sentence = max(moves, key=lambda move: round(move[0], 9))
    return sentence if change >= MIN_MOVE else f"{name}: unchanged"


def special_indices(bins: FeatureBins) -> frozenset[int]:
    """Return the indices of the bins null, unseen, out of range and not a number, if the layout has these bins."""
    return frozenset(range(bins.n_values, bins.n_bins))


def _special(bins: FeatureBins, index: int, reference: Shares, current: Shares) -> tuple[float, str]:
    name = "score" if bins.feature == SCORE else bins.feature
    shares = f"{percent(reference[index])} → {percent(current[index])} of rows"
    change = abs(float(current[index] - reference[index]))
    if index == bins.null_index:
        return change, f"{name}: missing {shares}"
    if index == bins.unseen_index:
        now = f"{percent(current[index])} of rows have a value that is not in the reference"
        return change, f"{name}: {now if reference[index] == 0 else f'unknown value {shares}'}"
    if index == bins.not_a_number_index:
        now = f"{percent(current[index])} of rows have text where the reference has numbers"
        return change, f"{name}: {now if reference[index] == 0 else f'not a number {shares}'}"
    return change, f"{name}: out of range {shares}"


def _value(name: str, bins: FeatureBins, index: int, reference: Shares, current: Shares) -> tuple[float, str]:
    shares = f"{percent(reference[index])} → {percent(current[index])} of rows"
    return abs(float(current[index] - reference[index])), f"{name}: {bins.labels[index]} {shares}"


def _ordered(name: str, bins: FeatureBins, reference: Shares, current: Shares) -> Sequence[tuple[float, str]]:
    """Return the changes in the share of rows below and above each limit, and in each single inner bin."""
    n_ordered = bins.n_ordered
    shares = [(bins.labels[i], float(reference[i]), float(current[i])) for i in range(1, n_ordered - 1)]
    moves = [(abs(c - r), f"{name}: {label} in {percent(r)} → {percent(c)} of rows") for label, r, c in shares]
    for i, limit in enumerate(bins.upper_limits[:-1]):
        below = float(reference[: i + 1].sum()), float(current[: i + 1].sum())
        above = float(reference[i + 1 : n_ordered].sum()), float(current[i + 1 : n_ordered].sum())
        # State the side that grew. This is the rows above the edge if the values increased, and the rows below it if
        # they decreased.
        side, (before, after) = ("at most", below) if below[1] - below[0] >= above[1] - above[0] else ("over", above)
        shares_text = f"{percent(before)} → {percent(after)} of rows"
        moves.append((abs(after - before), f"{name}: {side} {number_text(limit)} in {shares_text}"))
    return moves


def percent(share: float) -> str:
    """Format a share as text, such as "55%".

    A share below 10% or above 90% has one decimal unless it is whole. "0%" and "100%" mean exactly none and all.
    """
    # A sum of shares may be 0.9999999999999999.
    value = round(100 * float(share), 9)
    if value in (0.0, 100.0) or 10 <= value <= 90:
        return f"{value:.0f}%"
    if value < 0.1:
        return "under 0.1%"
    return "over 99.9%" if value > 99.9 else f"{value:.1f}%".replace(".0%", "%")
