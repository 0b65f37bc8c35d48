"""The rule for what no single feature shows: whether two features still go together as they did.

Null hypothesis: the window's rows are the reference's, reweighted feature by feature (the log of the density ratio is a
sum over features). A shift of single features is no news here, however large; that is the other rules' business. The
reference rows are reweighted until every feature's shares are the window's (raking, Deming and Stephan 1940), then the
PSI of each pair's table is taken; the largest over all pairs is judged by permuting which rows are the reference's.
That is exact when nothing moved, and holds asymptotically when single features did, since each pair's statistic is
scaled to its chi-square law (Chung and Romano 2013).
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

# Current rows that are looked at, and reference rows for each of them: more cost time and find little more.
MAX_ROWS = 2_000
REFERENCE_FACTOR, MIN_REFERENCE, MAX_REFERENCE = 2, 2_000, 4_000
MAX_PAIRS_SHOWN = 5
# The test stops when this many permutations beat the rows: p is not going to be small (Besag and Clifford 1991).
ENOUGH_EXCEEDANCES = 10
# Fewer effective reference rows after reweighting say nothing.
MIN_EFFECTIVE = 100.0


@dataclass(frozen=True)
class JointRule:
    """`false_alarm_rate`: of windows in which no pair changed. `min_samples`: fewer current rows are not judged."""

    false_alarm_rate: float
    min_samples: int
    seed: int = 0

    @property
    def n_permutations(self) -> int:
        """Enough for p-values a fifth of the rate."""
        return max(99, math.ceil(5 / self.false_alarm_rate) - 1)


@dataclass(frozen=True)
class PairDrift:
    """Two features' joint table against the reweighted reference's. `p_value`: of so large a largest pair anywhere."""

    features: tuple[str, str]
    psi: float
    p_value: float


@dataclass(frozen=True)
class JointFinding:
    """The verdict, and the pairs that changed most."""

    verdict: RuleVerdict
    pairs: tuple[PairDrift, ...] = ()


def judge_joint(profile: ReferenceProfile, reference: Codes, current: Codes, rule: JointRule) -> JointFinding:
    """Judge the rows.

    Args:
        profile: whose bins the codes are; the score is not looked at.
        reference: (N, n_features or more) bin numbers in the profile's order.
        current: (n, likewise), the newest first.
        rule: its settings.
    """
    if (too_few := too_few_rows(RULE, len(current), rule.min_samples)) is not None:
        return JointFinding(too_few)
    if (too_few := too_few_rows(RULE, len(reference), rule.min_samples)) is not None:
        return could_not_look(f"The model version carries {len(reference):,} reference rows, too few to judge.")
    rng = np.random.default_rng(rule.seed)
    newest = current[:MAX_ROWS]
    n_sample = min(max(REFERENCE_FACTOR * len(newest), MIN_REFERENCE), MAX_REFERENCE, len(reference))
    sample = reference[rng.permutation(len(reference))[:n_sample]]
    levels = Levels.of(profile, sample, newest)
    names, n_current = levels.features, levels.n_current
    if len(names) < 2 or n_current < rule.min_samples or len(levels.one_hot) - n_current < rule.min_samples:
        return could_not_look("Too few rows or features are left whose values the reference knows.")
    observed = _measure(levels, np.arange(n_current))
    if observed.n_effective < MIN_EFFECTIVE:
        return could_not_look("Single features moved so far that their pairs cannot be told from it.")
    largest, n_tried = _permuted(levels, observed.largest, rule.n_permutations, rng)
    return _told(names, observed, np.array(largest), n_tried, rule)


def could_not_look(reason: str) -> JointFinding:
    return JointFinding(RuleVerdict(RULE, Verdict.INSUFFICIENT_DATA, (reason,)))


@dataclass(frozen=True)
class _Measured:
    """`psi`, `scaled`: (n_pairs,), the second as standard normal deviates of the pair's chi-square law."""

    psi: Matrix
    scaled: Matrix
    n_effective: float

    @property
    def largest(self) -> float:
        return float(self.scaled.max())


def _measure(levels: Levels, current_rows: NDArray[np.intp]) -> _Measured:
    """Every pair's PSI when those rows are the current ones and all others the reference."""
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
    """(n_pairs,) from (L, L) tables of all levels against all; cells that nobody is in are left out."""
    cells = levels.n_cells_by_level_pair
    r = (reference + SMOOTHING) / (n_reference + SMOOTHING * cells)
    c = (current + SMOOTHING) / (n_current + SMOOTHING * cells)
    parts = np.where(levels.is_used, (c - r) * np.log(c / r), 0.0)
    sums: Matrix = levels.membership.T @ parts @ levels.membership
    return sums[levels.first, levels.second]


def _deviate(statistic: Matrix, degrees: Matrix) -> Matrix:
    """Chi-square values as standard normal deviates, so that all pairs compare. Wilson and Hilferty (1931)."""
    part = 2 / (9 * degrees)
    deviates: Matrix = (np.cbrt(statistic / degrees) - (1 - part)) / np.sqrt(part)
    return deviates


def _permuted(
    levels: Levels, observed: float, n_permutations: int, rng: np.random.Generator
) -> tuple[list[float], int]:
    """The largest deviate of each permutation, until enough of them beat the observed one."""
    largest: list[float] = []
    n_beaten = 0
    while len(largest) < n_permutations and n_beaten < ENOUGH_EXCEEDANCES:
        rows = rng.permutation(len(levels.one_hot))[: levels.n_current]
        largest.append(_measure(levels, rows).largest)
        n_beaten += largest[-1] >= observed
    return largest, len(largest)


def _told(names: Sequence[str], observed: _Measured, largest: Matrix, n_tried: int, rule: JointRule) -> JointFinding:
    pairs = list(combinations(names, 2))
    order = np.argsort(-observed.scaled)[:MAX_PAIRS_SHOWN]
    p_values = [(1 + int((largest >= observed.scaled[i]).sum())) / (1 + n_tried) for i in order]
    found = tuple(PairDrift(pairs[i], float(observed.psi[i]), p) for i, p in zip(order, p_values, strict=True))
    changed = [pair for pair in found if pair.p_value <= rule.false_alarm_rate]
    if not changed:
        reason = f"No pair of features changed how it goes together; the largest is {_words(found[0])}."
        return JointFinding(RuleVerdict(RULE, Verdict.STABLE, (reason,)), found)
    reasons = tuple(f"{_words(pair)} no longer go together as in the reference." for pair in changed)
    flagged = tuple(dict.fromkeys(name for pair in changed for name in pair.features))
    return JointFinding(RuleVerdict(RULE, Verdict.DRIFTED, reasons, flagged), found)


def _words(pair: PairDrift) -> str:
    return f"{pair.features[0]} and {pair.features[1]} (PSI {pair.psi:.3f}, p {format_p_value(pair.p_value)})"
