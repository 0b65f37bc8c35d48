"""Agreement of a shadow challenger with the served predictions, on rows that were scored by both.

Add a measure here. Not here: scoring (pmmds_serving/shadow), rows (stores/predictions/shadow.py); a person evaluates
the difference.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pmmds_core.statistics.classification import has_both_classes, paired_auc
from pmmds_core.statistics.intervals import wilson

# With fewer requests, the shares and means are too uncertain to describe the challenger.
MIN_ROWS = 100
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class ShadowedRows:
    """Logged rows that were also scored by a challenger.

    Every array has shape (n,). `predicted_at` is datetime64[us] in UTC. `versions` has the versions that served the
    rows. A missing label is -1 in `labels`.
    """

    predicted_at: NDArray[np.datetime64]
    versions: NDArray[np.object_]
    answered: NDArray[np.float64]
    answered_decision: NDArray[np.int64]
    shadow: NDArray[np.float64]
    shadow_decision: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class LabelledDisagreement:
    """The comparison on labeled rows.

    `p_value` is that of a two-sided sign test (exact McNemar) of the hypothesis that both are correct equally often.
    The ROC-AUCs and `auc_p_value` are None if there are too few labels of a class. `auc_p_value` is that of a one-sided
    DeLong test of the hypothesis that the challenger is not better.
    """

    n_labelled: int
    n_changed: int
    challenger_right: int
    answer_right: int
    p_value: float
    challenger_auc: float | None
    answer_auc: float | None
    auc_p_value: float | None


@dataclass(frozen=True)
class ShadowAgreement:
    """The challenger compared with the served predictions.

    All differences are challenger minus served. `answered_by` has the number of rows for each serving version.
    `changed_low` and `changed_high` are the limits of a 95% interval (Wilson). `quantiles` has the difference at each
    quantile. `correlation` is Pearson's correlation, or None if either side is constant. `labelled` is None if there
    are no labels.
    """

    challenger_version: str
    n_rows: int
    window_start: datetime
    window_end: datetime
    answered_by: dict[str, int]
    changed_share: float
    changed_low: float
    changed_high: float
    n_to_positive: int
    n_to_negative: int
    mean_difference: float
    mean_absolute_difference: float
    largest_difference: float
    quantiles: dict[str, float]
    correlation: float | None
    labelled: LabelledDisagreement | None


def agreement(challenger_version: str, rows: ShadowedRows) -> ShadowAgreement | None:
    """Compare the challenger with the served predictions.

    Returns None if there are no rows, which does not mean that the two agree.
    """
    n = len(rows.shadow)
    if not n:
        return None
    difference = rows.shadow - rows.answered
    to_positive = int(((rows.shadow_decision == 1) & (rows.answered_decision == 0)).sum())
    to_negative = int(((rows.shadow_decision == 0) & (rows.answered_decision == 1)).sum())
    low, high = wilson(to_positive + to_negative, n)
    quantiles = np.quantile(difference, QUANTILES)
    return ShadowAgreement(
        challenger_version=challenger_version,
        n_rows=n,
        window_start=_to_datetime(rows.predicted_at.min()),
        window_end=_to_datetime(rows.predicted_at.max()),
        answered_by=dict(sorted(Counter(rows.versions.tolist()).items())),
        changed_share=(to_positive + to_negative) / n,
        changed_low=low,
        changed_high=high,
        n_to_positive=to_positive,
        n_to_negative=to_negative,
        mean_difference=float(difference.mean()),
        mean_absolute_difference=float(np.abs(difference).mean()),
        largest_difference=float(np.abs(difference).max()),
        quantiles={f"{q:g}": float(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
        correlation=_correlation(rows.answered, rows.shadow),
        labelled=_labelled(rows),
    )


def _labelled(rows: ShadowedRows) -> LabelledDisagreement | None:
    known = rows.labels >= 0
    if not known.any():
        return None
    labels, shadow = rows.labels[known], rows.shadow_decision[known]
    changed = shadow != rows.answered_decision[known]
    right = int((shadow[changed] == labels[changed]).sum())
    n_changed = int(changed.sum())
    paired = None
    if has_both_classes(labels):
        paired = paired_auc(labels, rows.shadow[known], rows.answered[known])
    return LabelledDisagreement(
        n_labelled=len(labels),
        n_changed=n_changed,
        challenger_right=right,
        answer_right=n_changed - right,
        p_value=_sign_test(right, n_changed),
        challenger_auc=None if paired is None else paired.first,
        answer_auc=None if paired is None else paired.second,
        auc_p_value=None if paired is None else paired.p_value,
    )


def _sign_test(k: int, n: int) -> float:
    """Return the exact two-sided p-value P(|X - n/2| >= |k - n/2|) for n fair coin flips.

    The sum is computed with logarithms to avoid overflow.
    """
    tail = min(k, n - k)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(tail + 1)]
    return min(1.0, 2.0 * math.fsum(math.exp(x) for x in logs))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if np.ptp(a) == 0 or np.ptp(b) == 0:  # the standard deviation could be a rounding error instead of 0
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _to_datetime(value: np.datetime64) -> datetime:
    naive: datetime = value.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)
