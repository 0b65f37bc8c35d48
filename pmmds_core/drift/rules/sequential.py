"""The rule for weak drifts that last: it adds up what successive windows say, and its setting is false alarms a year.

A test of each window by itself is wrong somewhere in most years. This is a Shiryaev–Roberts e-detector (Shin, Ramdas,
Rinaldo, E-detectors, 2024): for each window the change may have begun with, the likelihood ratio of all rows since then
under "something else from there on" against "as the reference and the windows before"; their sum over the beginnings.
Without drift its mean grows by one a window, so the mean time to a false alarm is at least the threshold, in windows.
Both likelihoods are Dirichlet–multinomial: the shares before the change are known only as well as the rows seen so far
allow, so a small reference is not taken for the truth. Features are averaged, which holds however they depend.
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
# Silence over fewer windows means nothing yet.
MIN_WINDOWS = 8
# Changes that began longer ago were found, or are the new normal; forgetting them keeps the promise.
MAX_WINDOWS = 104
# How far shares may have moved, as a number of rows that vary as much by chance: 22, 7 and 2 points at one half.
CONCENTRATIONS = (5.0, 50.0, 500.0)
# At least this much looser than what is known, or there is no alternative.
_MIN_LOOSENING = 2.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SequentialRule:
    """`false_alarms_per_year`: on average, without any drift. `window_hours`: length of a window."""

    false_alarms_per_year: float
    window_hours: float

    @property
    def threshold(self) -> float:
        """The mean number of windows to a false alarm."""
        return max(1.0, HOURS_PER_YEAR / self.window_hours / self.false_alarms_per_year)


@dataclass(frozen=True)
class Evidence:
    """What the windows say of one feature. `value`: of the detector; `began`: index of the likeliest first window."""

    feature: str
    value: float
    began: int


def judge_sequential(
    profile: ReferenceProfile, windows: Sequence[Mapping[str, Counts]], rule: SequentialRule
) -> RuleVerdict:
    """Judge successive windows that do not overlap.

    Args:
        profile: of the model that answered all of them.
        windows: oldest first; each a feature to its (n_bins,) counts.
        rule: its settings.
    """
    recent = list(windows)[-MAX_WINDOWS:]
    if not recent:
        return RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, ("There is no window with rows yet.",))
    found = evidence(profile.features, recent)
    total = sum(e.value for e in found) / len(found)
    told = f"{len(recent)} {'window' if len(recent) == 1 else 'windows'} of {rule.window_hours:g} hours"
    limit = f"{rule.threshold:,.0f} is the limit for {rule.false_alarms_per_year:g} false alarms a year"
    if total >= rule.threshold:
        amount = f"{total:,.0f}" if total < 1e6 else "over a million"
        carrying = [e for e in found if e.value >= rule.threshold]
        return _drifted(profile, recent, carrying, f"The evidence of {told} is {amount}; {limit}.")
    if len(recent) < MIN_WINDOWS:
        reason = f"{told} so far; {MIN_WINDOWS} are needed before silence means anything."
        return RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, (reason,))
    largest = max(found, key=lambda e: e.value)
    reason = f"The evidence of {told} is {total:,.1f}; {limit}; most of it is {largest.feature}'s."
    return RuleVerdict(RULE, Verdict.STABLE, (reason,))


def _drifted(
    profile: ReferenceProfile, windows: list[Mapping[str, Counts]], found: list[Evidence], reason: str
) -> RuleVerdict:
    """The features that carry the evidence by themselves, and what moved in each since its change began."""
    carrying = sorted(found, key=lambda e: -e.value)[:MAX_FINDINGS]
    feature_of = {f.bins.feature: f for f in profile.features}
    reasons = [reason] + [_lasting(feature_of[e.feature], e, windows) for e in carrying]
    return RuleVerdict(RULE, Verdict.DRIFTED, tuple(reasons), tuple(e.feature for e in carrying))


def _lasting(feature: FeatureProfile, found: Evidence, windows: list[Mapping[str, Counts]]) -> str:
    since = np.sum([w[found.feature] for w in windows[found.began :]], axis=0)
    n_windows = len(windows) - found.began
    over = "in the last window" if n_windows == 1 else f"over the last {n_windows} windows"
    return f"{compare_feature(feature, since).statement}, {over}."


def evidence(features: Sequence[FeatureProfile], windows: Sequence[Mapping[str, Counts]]) -> list[Evidence]:
    """The detector of each feature after the last of the windows, which are oldest first."""
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
        Evidence(f.bins.feature, float(v), int(began))
        for f, v, began in zip(features, values, ratios.argmax(axis=1), strict=True)
    ]


def log_ratios(reference: Array, windows: Array, is_bin: NDArray[np.bool_]) -> Array:
    """(F, T): for each feature and first window of a change, the log likelihood ratio of the windows since.

    Args:
        reference: (F, B) counts.
        windows: (F, T, B) counts, oldest first.
        is_bin: (F, B): False where a feature has fewer bins.
    """
    known = (reference + SMOOTHING) * is_bin
    before = np.concatenate([np.zeros_like(windows[:, :1]), np.cumsum(windows, axis=1)[:, :-1]], axis=1)
    before = before + known[:, None, :]
    since = np.cumsum(windows[:, ::-1], axis=1)[:, ::-1]
    n_before = before.sum(axis=2, keepdims=True)
    null = _log_likelihood(since, before)
    # No looser than what is known: with few reference rows the alternatives come together with the null.
    loosened = [np.minimum(k, n_before / _MIN_LOOSENING) / n_before * before for k in CONCENTRATIONS]
    alternatives = np.stack([_log_likelihood(since, alpha) for alpha in loosened])
    largest = alternatives.max(axis=0)
    ratios: Array = largest + np.log(np.exp(alternatives - largest).mean(axis=0)) - null
    return ratios


def _log_likelihood(counts: Array, alpha: Array) -> Array:
    """Of rows in a given order under a Dirichlet–multinomial law (Minka 2000): (F, T) of (F, T, B) counts and alpha.

    Bins of no weight are no bins.
    """
    weight, n = alpha.sum(axis=2), counts.sum(axis=2)
    alpha = np.where(alpha > 0, alpha, 1.0)
    parts: Array = (log_gamma(alpha + counts) - log_gamma(alpha)).sum(axis=2)
    return log_gamma(weight) - log_gamma(weight + n) + parts
