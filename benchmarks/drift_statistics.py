"""Simulate false-alarm rates and statistical power of the drift rules on Telco rows.

    PMMDS_TELCO_CSV=telco.csv python -m benchmarks.drift_statistics [--trials 1500] [--only calibrated]

Every trial samples a reference, fits the bins on it and evaluates a window of other rows. Fixed seeds make the table
reproducible. Exit code 1 if a target is missed. Without PMMDS_TELCO_CSV the packaged sample is used.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.target_table import Line, head
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.data.reader import SourceData, read_source, to_columns
from pmmds_core.drift.comparison import Counts, compare
from pmmds_core.drift.policy import DriftRule, judge
from pmmds_core.drift.rules.joint import JointRule, judge_joint
from pmmds_core.drift.rules.sequential import SequentialRule, judge_sequential
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.profiling.reference_rows import Codes, code_column
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.reference_source import packaged_sample

N_REFERENCE = 5_000
WEEK_HOURS = 168.0
N_WEEKS = 52
RULE = DriftRule(psi_threshold=0.2, min_features=3, min_samples=100)

# The statistical power of the Benjamini-Hochberg rule in preliminary experiments, for n = 100, 200, 500 and 1000.
SIZES = (100, 200, 500, 1000)
SPIKE_POWER = {"tenure": (0.22, 0.51, 0.96, 1.00), "contract": (0.47, 0.85, 1.00, 1.00)}

Rows = NDArray[np.intp]


def line(what: str, n: int, n_trials: int, share: float, at_least: float = 0.0, at_most: float = 1.0) -> Line:
    """Return a table row with the share of trials that raised an alarm on windows of `n` rows."""
    return Line(what, (f"{n:,}",), round(share * n_trials), n_trials, at_least, at_most)


@dataclass(frozen=True)
class Population:
    """The population of rows from which references and windows are sampled."""

    contract: Contract
    data: SourceData
    known: dict[FeatureBins, Codes] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64] | NDArray[np.object_]]:
        return to_columns(self.data.frame, self.contract)

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """Return placeholder scores, which no rule evaluates."""
        charges: NDArray[np.float64] = self.columns["monthly_charges"].astype(np.float64) / 200
        return charges

    def split(self, rng: np.random.Generator) -> Split:
        """Split the rows into a reference and the remaining rows, which are used for windows."""
        order = rng.permutation(self.data.n_rows)
        return self._frozen(order[:N_REFERENCE], order[N_REFERENCE:])

    def resampled(self, rng: np.random.Generator) -> Split:
        """Sample a reference with replacement, as if from an infinite population."""
        return self._frozen(rng.choice(self.data.n_rows, N_REFERENCE), np.arange(self.data.n_rows))

    def _frozen(self, reference: Rows, others: Rows) -> Split:
        own = {name: column[reference] for name, column in self.columns.items()}
        profile = fit_profile(self.contract, own, self.score[reference])
        codes = np.stack([self._codes(f.bins) for f in profile.with_score], axis=1)
        return Split(profile, codes, reference, others)

    def _codes(self, bins: FeatureBins) -> Codes:
        """Return the bin number of each row. The category codes are cached, because all references share their bins."""
        if bins not in self.known:
            values = self.score if bins.feature == SCORE else self.columns[bins.feature]
            if bins.kind == "numeric":
                return code_column(bins, values)
            self.known[bins] = code_column(bins, values)
        return self.known[bins]


@dataclass(frozen=True)
class Split:
    """A reference profile, the bin numbers of all rows, and the rows outside the reference."""

    profile: ReferenceProfile
    codes: Codes
    reference: Rows
    others: Rows

    def counts(self, rows: Rows) -> dict[str, Counts]:
        return count_codes(self.profile, self.codes[rows])


def codes_of(split: Split, rows: Rows) -> Codes:
    codes: Codes = split.codes[rows]
    return codes


def count_codes(profile: ReferenceProfile, codes: Codes) -> dict[str, Counts]:
    return {f.bins.feature: np.bincount(codes[:, i], minlength=f.bins.n_bins) for i, f in enumerate(profile.with_score)}


def shares_moved(is_inside: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """Return sampling weights that give the selected rows the given share."""
    n_inside = int(is_inside.sum())
    return np.where(is_inside, share / n_inside, (1 - share) / (len(is_inside) - n_inside))


def calibrated(population: Population, n_trials: int) -> Iterator[Line]:
    """Measure false alarms on unchanged windows, and power on windows with a changed share."""
    for n in SIZES:
        rng = np.random.default_rng([1, n])

        def undrifted(split: Split, n: int = n, rng: np.random.Generator = rng) -> Rows:
            return rng.choice(split.others, n, replace=False)

        yield line(
            "false alarms of calibrated at 5%", n, n_trials, _alarms(population, rng, undrifted, n_trials), 0.03, 0.07
        )
    columns = population.columns
    moved = {
        "tenure": ("tenure ≤ 12 to 45% of rows", shares_moved(columns["tenure"] <= 12, 0.45)),
        "contract": ("month-to-month to 70% of rows", shares_moved(columns["contract"] == "Month-to-month", 0.70)),
    }
    for feature, (what, weights) in moved.items():
        for n, least in zip(SIZES, SPIKE_POWER[feature], strict=True):
            rng = np.random.default_rng([2, n, len(feature)])

            def drifted(
                split: Split, n: int = n, rng: np.random.Generator = rng, weights: NDArray[np.float64] = weights
            ) -> Rows:
                return rng.choice(len(weights), n, p=weights)

            share = _alarms(population, rng, drifted, n_trials // 2)
            yield line(f"calibrated detects {what}", n, n_trials // 2, share, least)


def _alarms(population: Population, rng: np.random.Generator, draw: Callable[[Split], Rows], n_trials: int) -> float:
    """Return the share of windows in which `calibrated` detects drift. Each reference is used for twenty windows."""
    n_alarms = 0
    for trial in range(n_trials):
        if trial % 20 == 0:
            split = population.split(rng)
        rows = draw(split)
        features = compare(split.profile, split.counts(rows), len(rows))
        verdicts = {r.rule: r.verdict for r in judge(features, split.profile.n_rows, len(rows), RULE).rules}
        n_alarms += verdicts["calibrated"] is Verdict.DRIFTED
    return n_alarms / n_trials


def sequential(population: Population, n_trials: int) -> Iterator[Line]:
    """Simulate streams of 52 weeks, in which month-to-month contracts rise from 55% to 60% of rows after 26 weeks."""
    n, rule = 500, SequentialRule(false_alarms_per_year=0.1, window_hours=WEEK_HOURS)
    weak = shares_moved(population.columns["contract"] == "Month-to-month", 0.60)
    n_streams = max(n_trials // 20, 20)
    rng = np.random.default_rng(3)
    undrifted = [_is_found(population, rng, rule, n, None) for _ in range(n_streams)]
    yield line(
        "52-week streams without drift in which sequential raised an alarm",
        n,
        n_streams,
        float(np.mean(undrifted)),
        0,
        0.05,
    )
    found = [_is_found(population, rng, rule, n, weak) for _ in range(n_streams // 2)]
    yield line(
        "sequential detects month-to-month raised to 60% from week 27 on",
        n,
        n_streams // 2,
        float(np.mean(found)),
        0.95,
    )


def _is_found(
    population: Population,
    rng: np.random.Generator,
    rule: SequentialRule,
    n: int,
    drifted: NDArray[np.float64] | None,
) -> bool:
    """Return True if there is an alarm during the year or, with drift, after the drift started.

    Reference and weeks are samples of the same population, so the rule has to tolerate the reference's sampling error.
    """
    split = population.resampled(rng)
    windows: list[dict[str, Counts]] = []
    for week in range(N_WEEKS):
        is_drifted = drifted is not None and week >= N_WEEKS // 2
        windows.append(split.counts(rng.choice(population.data.n_rows, n, p=drifted if is_drifted else None)))
        if drifted is not None and not is_drifted:
            continue
        if judge_sequential(split.profile, windows, rule).verdict is Verdict.DRIFTED:
            return True
    return False


def joint(population: Population, n_trials: int) -> Iterator[Line]:
    """Measure the joint rule's false alarms without joint drift, and its power with tenure shuffled in some rows."""
    n, n_windows = 200, max(n_trials // 5, 20)
    rule = JointRule(0.05, 100)
    contract = population.columns["contract"]

    def undrifted(split: Split, rng: np.random.Generator) -> Codes:
        rows: Rows = rng.choice(split.others, n, replace=False)
        return codes_of(split, rows)

    def selected(split: Split, rng: np.random.Generator) -> Codes:
        # Sample without replacement, because sampling a row twice is itself a joint shift.
        is_monthly = contract[split.others] == "Month-to-month"
        n_monthly = int(rng.binomial(n, 0.70))
        monthly = rng.choice(split.others[is_monthly], n_monthly, replace=False)
        return codes_of(split, np.append(monthly, rng.choice(split.others[~is_monthly], n - n_monthly, replace=False)))

    def shuffled(split: Split, rng: np.random.Generator) -> Codes:
        codes = undrifted(split, rng).copy()
        tenure = [f.bins.feature for f in split.profile.features].index("tenure")
        rows = rng.choice(n, n // 5, replace=False)
        codes[rows, tenure] = codes[rng.permutation(rows), tenure]
        return codes

    alarms, _ = _joint_alarms(population, undrifted, rule, n_windows, 4)
    yield line("false alarms of joint at 5%", n, n_windows, alarms, 0.03, 0.07)
    alarms, _ = _joint_alarms(population, selected, rule, n_windows, 5)
    yield line("false alarms of joint when only month-to-month rose to 70%", n, n_windows, alarms, 0.0, 0.07)
    _, named = _joint_alarms(population, shuffled, rule, n_windows // 2, 6)
    yield line(
        "joint detects that tenure was shuffled in 20% of rows, and reports tenure", n, n_windows // 2, named, 0.90
    )


def _joint_alarms(
    population: Population,
    draw: Callable[[Split, np.random.Generator], Codes],
    rule: JointRule,
    n_trials: int,
    seed: int,
) -> tuple[float, float]:
    """Return the share of trials with an alarm, and the share with an alarm that names a pair with tenure first."""
    rng = np.random.default_rng(seed)
    n_alarms = n_named = 0
    for trial in range(n_trials):
        if trial % 10 == 0:
            split = population.split(rng)
        found = judge_joint(split.profile, split.codes[split.reference], draw(split, rng), rule)
        is_alarm = found.verdict.verdict is Verdict.DRIFTED
        n_alarms += is_alarm
        n_named += is_alarm and "tenure" in found.pairs[0].features
    return n_alarms / n_trials, n_named / n_trials


RUNS: dict[str, Callable[[Population, int], Iterator[Line]]] = {
    "calibrated": calibrated,
    "sequential": sequential,
    "joint": joint,
}


def load_population() -> Population:
    contract = load_contract("")
    path = os.environ.get("PMMDS_TELCO_CSV", "")
    return Population(contract, read_source(path, contract) if path else packaged_sample(contract))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1500)
    parser.add_argument("--only", choices=RUNS, action="append")
    arguments = parser.parse_args()
    population = load_population()
    print(f"{population.data.name}: {population.data.n_rows:,} rows, {N_REFERENCE:,} of them the reference\n")
    print(head("n"))
    began, missed = time.perf_counter(), 0
    with threadpool_limits(1):
        for name in arguments.only or RUNS:
            for found in RUNS[name](population, arguments.trials):
                print(found.text(), flush=True)
                missed += not found.is_met
    print(f"\n{time.perf_counter() - began:.0f} s; {missed or 'no'} {'target' if missed == 1 else 'targets'} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
