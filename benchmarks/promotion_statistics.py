"""Simulate how often the promotion policy promotes a model that is truly worse or truly better.

    python -m benchmarks.promotion --part policy [--pairs 1000]

Rows come from the packaged generator, whose label probabilities are known: a model's true ROC-AUC is the expected one
over 60,000 rows, without label noise. Equal pairs: logistic regressions trained on two independent samples.
Training better pairs would take too long, so the champion's scores are simulated: the challenger's log odds plus normal
noise per row, scaled so that the true ROC-AUC is 0.025 lower. Decisions are those of `judge` with the paired DeLong
test on the sampled labels. Fixed seeds make the table reproducible.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.target_table import Line, head
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.models.calibration import expected_auc
from pmmds_core.policies.promotion import PromotionPolicy, judge
from pmmds_core.statistics.classification import paired_auc
from pmmds_core.synthetic.generator import packaged_generator

N_POPULATION, N_TRAINING = 60_000, 4_000
GAIN = 0.025
WORSE_SIZES, BETTER_SIZES = (500, 1_400, 5_000), (500, 1_400, 3_000)
MAX_WORSE = 0.03
MIN_BETTER = {500: 0.80, 1_400: 0.95, 3_000: 0.99}
Significance = Literal["advisory", "required"]
MODES: tuple[Significance, ...] = ("advisory", "required")
Floats = NDArray[np.float64]


class Population:
    """A population of encoded rows with their true probabilities. Every sample draws new labels."""

    def __init__(self, contract: Contract, seed: int) -> None:
        generator = packaged_generator()
        frame = generator.sample(N_POPULATION, seed)
        columns = {f.name: frame[f.name].to_numpy(float if f.is_numeric else object) for f in contract.features}
        self.probabilities: Floats = generator.mechanism.probability(columns)
        parts: list[Floats] = []
        for f in contract.features:
            values = columns[f.name]
            if f.is_numeric:
                parts.append(((values - values.mean()) / values.std())[:, None])
            else:
                parts.append(np.column_stack([values == v for v in f.values]).astype(float))
        self.design: Floats = np.hstack(parts)

    def draw(self, n_rows: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Sample rows without replacement and draw labels for them."""
        rows = rng.choice(N_POPULATION, n_rows, replace=False)
        return rows, (rng.random(n_rows) < self.probabilities[rows]).astype(np.int64)

    def train(self, rng: np.random.Generator) -> Floats:
        """Return log odds of shape (N_POPULATION,) from the packaged candidate, fitted on a separate sample."""
        from sklearn.linear_model import LogisticRegression

        rows, labels = self.draw(N_TRAINING, rng)
        fitted = LogisticRegression(max_iter=2000).fit(self.design[rows], labels)
        scores: Floats = self.design @ fitted.coef_[0] + fitted.intercept_[0]
        return scores

    def true_auc(self, scores: Floats) -> float:
        return expected_auc(scores, self.probabilities)


def is_promoted(labels: NDArray[np.int64], challenger: Floats, champion: Floats, significance: Significance) -> bool:
    """Return the policy's decision for a validated challenger that is as fast as the champion."""
    paired = paired_auc(labels, challenger, champion)
    evaluation = ModelEvaluation(
        challenger_version="2",
        champion_version="1",
        primary_metric="roc_auc",
        n_holdout_rows=len(labels),
        holdout_kind="production",
        validation_passed=True,
        challenger_metrics={"roc_auc": paired.first},
        challenger_interval=(0.0, 1.0),
        challenger_latency_ms=1.0,
        score_table=[],
        champion_metrics={"roc_auc": paired.second},
        latency_ratio=1.0,
        delong_p_value=paired.p_value,
    )
    return judge(evaluation, PromotionPolicy(significance=significance)).promoted


def equal_pairs(population: Population, n_pairs: int) -> Iterator[Line]:
    """Measure pairs of models that the same algorithm trained on independent samples."""
    rng = np.random.default_rng(61)
    cases = [(mode, n) for mode in MODES for n in WORSE_SIZES]
    promoted, worse_promoted = dict.fromkeys(cases, 0), dict.fromkeys(cases, 0)
    n_worse = 0
    for _ in range(n_pairs):
        champion, challenger = population.train(rng), population.train(rng)
        is_worse = population.true_auc(challenger) < population.true_auc(champion)
        n_worse += is_worse
        for n in WORSE_SIZES:
            rows, labels = population.draw(n, rng)
            for mode in MODES:
                hit = is_promoted(labels, challenger[rows], champion[rows], mode)
                promoted[mode, n] += hit
                worse_promoted[mode, n] += hit and is_worse
    for mode, n in cases:
        limit = MAX_WORSE if mode == "required" else 1.0
        keys = (mode, f"{n:,}")
        n_wrong = worse_promoted[mode, n]
        yield Line("equal pairs: promoted", keys, promoted[mode, n], n_pairs)
        yield Line("equal pairs: promoted and truly worse", keys, n_wrong, n_pairs, at_most=limit)
        yield Line("truly worse challengers: promoted", keys, n_wrong, n_worse)


def better_pairs(population: Population, n_pairs: int) -> Iterator[Line]:
    """Measure pairs in which the challenger's true ROC-AUC is 0.025 above the champion's."""
    rng = np.random.default_rng(62)
    challenger = population.train(rng)
    keys = [(mode, n) for mode in MODES for n in BETTER_SIZES]
    promoted = dict.fromkeys(keys, 0)
    noise = rng.standard_normal(N_POPULATION)
    champion = challenger + noise_for(population, challenger, noise, GAIN) * noise
    for _ in range(n_pairs):
        for n in BETTER_SIZES:
            rows, labels = population.draw(n, rng)
            for mode in MODES:
                promoted[mode, n] += is_promoted(labels, challenger[rows], champion[rows], mode)
    for mode, n in keys:
        least = MIN_BETTER[n]
        yield Line("truly better by .025: promoted", (mode, f"{n:,}"), promoted[mode, n], n_pairs, at_least=least)


def noise_for(population: Population, scores: Floats, noise: Floats, loss: float) -> float:
    """Find, by bisection, the scale of `noise` that lowers the true ROC-AUC by `loss`."""
    best, low, high = population.true_auc(scores), 0.0, 5.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        is_too_little = best - population.true_auc(scores + middle * noise) < loss
        low, high = (middle, high) if is_too_little else (low, middle)
    return (low + high) / 2


def simulate(n_pairs: int) -> int:
    """Print the table, and return the number of missed targets."""
    began, missed = time.perf_counter(), 0
    with threadpool_limits(1):
        population = Population(load_contract(""), seed=60)
        print(f"{N_POPULATION:,} rows of the packaged generator, models trained on {N_TRAINING:,} each\n")
        print(head("significance", "labels"))
        for run in (equal_pairs, better_pairs):
            for line in run(population, n_pairs):
                print(line.text(), flush=True)
                missed += not line.is_met
    print(f"\n{time.perf_counter() - began:.0f} s; {missed or 'no'} {'target' if missed == 1 else 'targets'} missed")
    return missed
