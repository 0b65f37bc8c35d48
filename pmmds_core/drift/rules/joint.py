"""The rule `joint` detects changes in the dependence between pairs of features, which no single feature shows.

Null hypothesis: the window's rows follow the reference distribution reweighted feature by feature (the log of the
density ratio is a sum over features), so shifts of single features are not counted here. The reference rows are
reweighted until every feature's shares equal the window's (raking, Deming and Stephan 1940). The statistic is the
largest PSI over all pair tables; its p-value comes from permuting which rows belong to the reference. The test is exact
without drift, and asymptotically valid if single features drifted, because each pair's statistic is scaled to its
chi-square distribution (Chung and Romano 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pmmds_core.drift.measures import SMOOTHING
from pmmds_core.drift.rules.joint_levels import Levels
from pmmds_core.drift.rules.rule_verdict import RuleVerdict, too_few_rows
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.profiling.reference_rows import Codes
from pmmds_core.statistics.arrays import Matrix
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.raking import Raked, rake
from pmmds_core.statistics.verdict import Verdict

RULE = "joint"

# The maximum number of current rows, and the maximum number of reference rows per current row. More rows take longer
# and detect little more.
MAX_ROWS = 2_000
REFERENCE_FACTOR, MIN_REFERENCE, MAX_REFERENCE = 2, 2_000, 4_000
MAX_PAIRS_SHOWN = 5
# Stop after this many permutations exceed the observed value, because p will then not be small (Besag and Clifford
# 1991).
ENOUGH_EXCEEDANCES = 10
# The minimum effective sample size of the reweighted reference.
MIN_EFFECTIVE = 100.0


@dataclass(frozen=True)
class JointRule:
    """The settings of the rule.

    `false_alarm_rate` is the share of unchanged windows that are called drifted. `min_samples` is the minimum number of
    current rows.
    """

    false_alarm_rate: float
    min_samples: int
    seed: int = 0

    @property
    def n_permutations(self) -> int:
        """The number of permutations, which is sufficient for p-values down to a fifth of the false-alarm rate."""
        return max(99, math.ceil(5 / self.false_alarm_rate) - 1)


@dataclass(frozen=True)
class PairDrift:
    """The joint table of two features, compared with the joint table of the reweighted reference.

    `p_value` is the probability that the largest pair is at least this large if nothing changed.
    """

    features: tuple[str, str]
    psi: float
    p_value: float


@dataclass(frozen=True)
class JointFinding:
    """The verdict and the pairs that changed most. There are at most MAX_PAIRS_SHOWN pairs."""

    verdict: RuleVerdict
    pairs: tuple[PairDrift, ...] = ()


def judge_joint(profile: ReferenceProfile, reference: Codes, current: Codes, rule: JointRule) -> JointFinding:
    """Test whether pairs of features are related differently in the current rows than in the reference rows.

    Args:
        profile: the profile whose bins the codes refer to. The score is ignored.
        reference: an array of shape (N, n_features or more) with bin numbers in the profile's order.
        current: an array of shape (n, n_features or more) with the bin numbers of the current rows, newest first.
        rule: the settings of the rule.
    """
    if (too_few := too_few_rows(RULE, len(reference), len(current), rule.min_samples)) is not None:
        return JointFinding(too_few)
    rng = np.random.default_rng(rule.seed)
    newest = current[:MAX_ROWS]
    n_sample = min(max(REFERENCE_FACTOR * len(newest), MIN_REFERENCE), MAX_REFERENCE, len(reference))
    sample = reference[rng.permutation(len(reference))[:n_sample]]
    levels = Levels.of(profile, sample, newest)
    names, n_current = levels.features, levels.n_current
    if len(names) < 2 or n_current < rule.min_samples or len(levels.one_hot) - n_current < rule.min_samples:
        return not_evaluated("Too few rows or features have values that are in the reference.")
    observed = _measure(levels, np.arange(n_current))
    if observed.n_effective < MIN_EFFECTIVE:
        return not_evaluated("Marginal drift is too large to test feature pairs.")
    largest, n_tried = _permuted(levels, observed.largest, rule.n_permutations, rng)
    return _judged(names, observed, np.array(largest), n_tried, rule)


def not_evaluated(reason: str) -> JointFinding:
    return JointFinding(RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, (reason,)))


@dataclass(frozen=True)
class _Measured:
    """The PSI of every pair, as an array of shape (n_pairs,).

    `scaled` has the PSI converted to a standard normal deviate by the pair's chi-square distribution.
    """

    psi: Matrix
    scaled: Matrix
    n_effective: float

    @property
    def largest(self) -> float:
        return float(self.scaled.max())


def _measure(levels: Levels, current_rows: NDArray[np.intp]) -> _Measured:
    """Return the PSI of every pair, with `current_rows` as the current rows and all other rows as the reference."""
    is_current = np.zeros(len(levels.one_hot), dtype=bool)
    is_current[current_rows] = True
    current, reference = levels.one_hot[is_current], levels.one_hot[~is_current]
    raked: Raked = rake(reference, current.mean(axis=0))
    n, n_effective = len(current), raked.n_effective
    r, c = raked.tables * n_effective, current.T @ current
    psi = _pair_psi(levels, r, c, n_effective, n)
    scale = 1 / n + 1 / n_effective
    return _Measured(psi, _deviate(psi / scale, levels.degrees), n_effective)


def _pair_psi(levels: Levels, reference: Matrix, current: Matrix, n_reference: float, n_current: int) -> Matrix:
    """Return the PSI of each pair, with shape (n_pairs,), from the (L, L) tables of all levels.

    Cells without rows are ignored.
    """
    cells = levels.n_cells_by_level_pair
    r = (reference + SMOOTHING) / (n_reference + SMOOTHING * cells)
    c = (current + SMOOTHING) / (n_current + SMOOTHING * cells)
    parts = np.where(levels.is_used, (c - r) * np.log(c / r), 0.0)
    sums: Matrix = levels.membership.T @ parts @ levels.membership
    return sums[levels.first, levels.second]


def _deviate(statistic: Matrix, degrees: Matrix) -> Matrix:
    """Convert chi-square values to standard normal deviates, which can be compared across pairs.

    See Wilson and Hilferty (1931).
    """
    part = 2 / (9 * degrees)
    deviates: Matrix = (np.cbrt(statistic / degrees) - (1 - part)) / np.sqrt(part)
    return deviates


def _permuted(
    levels: Levels, observed: float, n_permutations: int, rng: np.random.Generator
) -> tuple[list[float], int]:
    """Return the largest deviate of each permutation, and the number of permutations that were run.

    The permutations stop early when ENOUGH_EXCEEDANCES of them have reached the observed deviate.
    """
    largest: list[float] = []
    n_exceeding = 0
    while len(largest) < n_permutations and n_exceeding < ENOUGH_EXCEEDANCES:
        rows = rng.permutation(len(levels.one_hot))[: levels.n_current]
        largest.append(_measure(levels, rows).largest)
        n_exceeding += largest[-1] >= observed
    return largest, len(largest)


def _judged(names: Sequence[str], observed: _Measured, largest: Matrix, n_tried: int, rule: JointRule) -> JointFinding:
    pairs = list(combinations(names, 2))
    order = np.argsort(-observed.scaled)[:MAX_PAIRS_SHOWN]
    p_values = [(1 + int((largest >= observed.scaled[i]).sum())) / (1 + n_tried) for i in order]
    shown = tuple(PairDrift(pairs[i], float(observed.psi[i]), p) for i, p in zip(order, p_values, strict=True))
    changed = [pair for pair in shown if pair.p_value <= rule.false_alarm_rate]
    if not changed:
        reason = f"No pair of features changed its dependence. The largest change is that of {_pair_text(shown[0])}."
        return JointFinding(RuleVerdict(RULE, Verdict.STABLE, (reason,)), shown)
    reasons = tuple(f"{_pair_text(pair)} changed their dependence." for pair in changed)
    flagged = tuple(dict.fromkeys(name for pair in changed for name in pair.features))
    return JointFinding(RuleVerdict(RULE, Verdict.DRIFTED, reasons, flagged), shown)


def _pair_text(pair: PairDrift) -> str:
    return f"{pair.features[0]} and {pair.features[1]} (PSI {pair.psi:.3f}, p {format_p_value(pair.p_value)})"
