"""The rule `sequential` detects weak, lasting drift by accumulating evidence over successive windows.

Its setting is the number of false alarms per year. Testing each window separately would give a false alarm in most
years. This is a Shiryaev–Roberts e-detector (Shin, Ramdas, Rinaldo, E-detectors, 2024): the sum over all candidate
change windows of the likelihood ratio, for the rows since then, of "changed in this window" against "unchanged".
Without drift its mean grows by one per window, so the mean time to a false alarm is at least the threshold, in windows.
Both likelihoods are Dirichlet–multinomial, so the shares before the change are only as certain as the rows seen so far
allow. The detector values of the features are averaged, which is valid under any dependence between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmmds_core.drift.comparison import compare_feature
from pmmds_core.drift.measures import SMOOTHING
from pmmds_core.drift.rules.rule_verdict import MAX_FINDINGS, RuleVerdict
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile
from pmmds_core.statistics.arrays import Counts
from pmmds_core.statistics.log_gamma import log_gamma
from pmmds_core.statistics.verdict import Verdict

RULE = "sequential"

HOURS_PER_YEAR = 24 * 365.25
# The minimum number of windows for the verdict `stable`.
MIN_WINDOWS = 8
# Older windows are ignored, because their changes have been detected or have become normal. The false-alarm rate still
# holds.
MAX_WINDOWS = 104
# The sizes of the assumed change, given as sample sizes with the same sampling error. They correspond to 22, 7 and 2
# percentage points at a share of 0.5.
CONCENTRATIONS = (5.0, 50.0, 500.0)
# The minimum ratio of the concentration of the null to that of the alternative, so that the two differ.
_MIN_LOOSENING = 2.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SequentialRule:
    """The settings of the rule.

    `false_alarms_per_year` is the average number of false alarms in a year without drift.
    """

    false_alarms_per_year: float
    window_hours: float

    @property
    def threshold(self) -> float:
        """The alarm limit of the detector, which equals the mean number of windows to a false alarm."""
        return max(1.0, HOURS_PER_YEAR / self.window_hours / self.false_alarms_per_year)


@dataclass(frozen=True)
class EValue:
    """The detector value of one feature. `began` is the index of the most likely first window of a change."""

    feature: str
    value: float
    began: int


def judge_sequential(
    profile: ReferenceProfile, windows: Sequence[Mapping[str, Counts]], rule: SequentialRule
) -> RuleVerdict:
    """Test successive windows that do not overlap.

    Args:
        profile: the profile of the model version that served all of the windows.
        windows: an array of shape (n_bins,) with counts by feature, oldest window first.
        rule: the settings of the rule.
    """
    recent = list(windows)[-MAX_WINDOWS:]
    if not recent:
        return RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, ("No window has rows yet.",))
    values = e_values(profile.features, recent)
    total = sum(e.value for e in values) / len(values)
    windows_text = f"{len(recent)} {'window' if len(recent) == 1 else 'windows'} of {rule.window_hours:g} hours"
    limit = f"limit {rule.threshold:,.0f} ({rule.false_alarms_per_year:g} false alarms per year)"
    if total >= rule.threshold:
        amount = f"{total:,.0f}" if total < 1e6 else "over a million"
        carrying = [e for e in values if e.value >= rule.threshold]
        return _drifted(profile, recent, carrying, f"Detector value over {windows_text}: {amount}, {limit}.")
    if len(recent) < MIN_WINDOWS:
        reason = f"{windows_text} so far; at least {MIN_WINDOWS} are required."
        return RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, (reason,))
    largest = max(values, key=lambda e: e.value)
    reason = f"Detector value over {windows_text}: {total:,.1f}, {limit}; largest: {largest.feature}."
    return RuleVerdict(RULE, Verdict.STABLE, (reason,))


def _drifted(
    profile: ReferenceProfile, windows: list[Mapping[str, Counts]], values: list[EValue], reason: str
) -> RuleVerdict:
    """Return the verdict `drifted`, with the features that exceed the limit on their own and their changes."""
    carrying = sorted(values, key=lambda e: -e.value)[:MAX_FINDINGS]
    feature_of = {f.bins.feature: f for f in profile.features}
    reasons = [reason] + [_lasting(feature_of[e.feature], e, windows) for e in carrying]
    return RuleVerdict(RULE, Verdict.DRIFTED, tuple(reasons), tuple(e.feature for e in carrying))


def _lasting(feature: FeatureProfile, change: EValue, windows: list[Mapping[str, Counts]]) -> str:
    since = np.sum([w[change.feature] for w in windows[change.began :]], axis=0)
    n_windows = len(windows) - change.began
    over = "in the last window" if n_windows == 1 else f"over the last {n_windows} windows"
    return f"{compare_feature(feature, since).statement}, {over}."


def e_values(features: Sequence[FeatureProfile], windows: Sequence[Mapping[str, Counts]]) -> list[EValue]:
    """Return the detector value of each feature after the last window. The oldest of the `windows` is first."""
    n_bins = max(f.bins.n_bins for f in features)
    padded = [(0, n_bins - f.bins.n_bins) for f in features]
    reference = np.array(
        [np.pad(np.array(f.counts, dtype=np.float64), p) for f, p in zip(features, padded, strict=True)]
    )
    is_bin = np.array([np.arange(n_bins) < f.bins.n_bins for f in features])
    counts = np.array(
        [[np.pad(w[f.bins.feature], p) for w in windows] for f, p in zip(features, padded, strict=True)],
        dtype=np.float64,
    )
    ratios = log_ratios(reference, counts, is_bin)
    values = np.exp(np.minimum(ratios, 700)).sum(axis=1)
    return [
        EValue(f.bins.feature, float(v), int(began))
        for f, v, began in zip(features, values, ratios.argmax(axis=1), strict=True)
    ]


def log_ratios(reference: Array, windows: Array, is_bin: NDArray[np.bool_]) -> Array:
    """Return the log likelihood ratio of the windows since a change, by feature and first window of the change.

    The result has shape (F, T).

    Args:
        reference: an array of shape (F, B) with counts.
        windows: an array of shape (F, T, B) with counts, oldest first.
        is_bin: an array of shape (F, B) that is False for padding bins.
    """
    prior = (reference + SMOOTHING) * is_bin
    before = np.concatenate([np.zeros_like(windows[:, :1]), np.cumsum(windows, axis=1)[:, :-1]], axis=1)
    before = before + prior[:, None, :]
    since = np.cumsum(windows[:, ::-1], axis=1)[:, ::-1]
    n_before = before.sum(axis=2, keepdims=True)
    null = _log_likelihood(since, before)
    # Even with few reference rows, the alternative distributions must be less concentrated than the null distribution.
    loosened = [np.minimum(k, n_before / _MIN_LOOSENING) / n_before * before for k in CONCENTRATIONS]
    alternatives = np.stack([_log_likelihood(since, alpha) for alpha in loosened])
    largest = alternatives.max(axis=0)
    ratios: Array = largest + np.log(np.exp(alternatives - largest).mean(axis=0)) - null
    return ratios


def _log_likelihood(counts: Array, alpha: Array) -> Array:
    """Return the Dirichlet–multinomial log likelihood of rows in a given order, with shape (F, T).

    The arguments have shape (F, T, B). Bins with an alpha of 0 are padding. See Minka (2000).
    """
    weight, n = alpha.sum(axis=2), counts.sum(axis=2)
    alpha = np.where(alpha > 0, alpha, 1.0)
    parts: Array = (log_gamma(alpha + counts) - log_gamma(alpha)).sum(axis=2)
    return log_gamma(weight) - log_gamma(weight + n) + parts
