"""Champion and challenger on the same holdout rows, in one process: metrics, intervals, latency.

Add a measurement here. Keep out: whether it is enough (policy.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.performance import Labels, auc_interval, classification_metrics, paired_auc, score_table
from pmmds_core.scorer import Scorer
from pmmds_core.scorer_compiler import score_rows

Rows = Sequence[Sequence[FeatureValue]]
_LATENCY_ROUNDS = 15
LATENCY_ROWS = 400
# A scorer that takes milliseconds a row is measured on fewer rows.
_LONGEST_ROUND_MS = 300.0


@dataclass(frozen=True)
class Contender:
    """A model version that is judged."""

    version: str
    scorer: Scorer
    is_validated: bool


@dataclass(frozen=True)
class ModelEvaluation:
    """What was measured. Without a champion the champion's fields are None; latencies are milliseconds a row."""

    challenger_version: str
    champion_version: str | None
    primary_metric: str
    n_holdout_rows: int
    holdout_kind: str
    validation_passed: bool
    challenger_metrics: dict[str, float]
    challenger_interval: tuple[float, float]
    challenger_latency_ms: float
    score_table: list[dict[str, Any]]
    champion_metrics: dict[str, float] | None = None
    champion_interval: tuple[float, float] | None = None
    champion_latency_ms: float | None = None
    latency_ratio: float | None = None
    delong_p_value: float | None = None
    delong_standard_error: float | None = None
    replay: dict[str, Any] | None = None

    @property
    def primary_metric_improvement(self) -> float | None:
        if self.champion_metrics is None:
            return None
        return self.challenger_metrics[self.primary_metric] - self.champion_metrics[self.primary_metric]

    def to_document(self) -> dict[str, Any]:
        return {**asdict(self), "primary_metric_improvement": self.primary_metric_improvement}

    @staticmethod
    def from_document(document: dict[str, Any]) -> ModelEvaluation:
        fields = {k: v for k, v in document.items() if k in ModelEvaluation.__dataclass_fields__}
        return ModelEvaluation(**fields)


def evaluate(
    challenger: Contender,
    champion: Contender | None,
    rows: Rows,
    labels: Labels,
    *,
    primary_metric: str,
    holdout_kind: str,
    recent_rows: Rows = (),
) -> ModelEvaluation:
    """Measure both on the same rows.

    Args:
        challenger: the new model.
        champion: the model in production; None for the first model.
        rows: (n, features) holdout rows in the contract's order.
        labels: (n,) truth, both classes present.
        primary_metric: the metric that decides.
        holdout_kind: where the rows come from, `reference` or `production`.
        recent_rows: recent production rows that both score again, labels or not.
    """
    scores = score_rows(challenger.scorer, rows)
    interval = auc_interval(labels, scores)
    own: dict[str, Any] = {
        "challenger_version": challenger.version,
        "primary_metric": primary_metric,
        "n_holdout_rows": len(rows),
        "holdout_kind": holdout_kind,
        "validation_passed": challenger.is_validated,
        "challenger_metrics": classification_metrics(labels, scores),
        "challenger_interval": (interval.low, interval.high),
        "score_table": score_table(labels, scores),
    }
    if champion is None:
        latency, _ = latencies_ms(challenger.scorer, challenger.scorer, rows)
        return ModelEvaluation(champion_version=None, challenger_latency_ms=latency, **own)
    return ModelEvaluation(**own, **_compared(challenger, champion, rows, labels, scores, recent_rows))


def _compared(
    challenger: Contender, champion: Contender, rows: Rows, labels: Labels, scores: Any, recent_rows: Rows
) -> dict[str, Any]:
    champion_scores = score_rows(champion.scorer, rows)
    champion_interval = auc_interval(labels, champion_scores)
    paired = paired_auc(labels, scores, champion_scores)
    challenger_ms, champion_ms = latencies_ms(challenger.scorer, champion.scorer, rows)
    return {
        "champion_version": champion.version,
        "challenger_latency_ms": challenger_ms,
        "champion_metrics": classification_metrics(labels, champion_scores),
        "champion_interval": (champion_interval.low, champion_interval.high),
        "champion_latency_ms": champion_ms,
        "latency_ratio": challenger_ms / champion_ms,
        "delong_p_value": paired.p_value,
        "delong_standard_error": paired.standard_error,
        "replay": replay(challenger.scorer, champion.scorer, recent_rows),
    }


def latencies_ms(first: Scorer, second: Scorer, rows: Rows) -> tuple[float, float]:
    """Milliseconds a row of two scorers: medians over rounds that take turns, so that a slow moment hits both."""
    slower = max(_time_ms(first, rows[:5]), _time_ms(second, rows[:5]))
    sample = rows[: max(5, min(LATENCY_ROWS, round(_LONGEST_ROUND_MS / slower)))]
    rounds = [(_time_ms(first, sample), _time_ms(second, sample)) for _ in range(_LATENCY_ROUNDS)]
    return median(r[0] for r in rounds), median(r[1] for r in rounds)


def _time_ms(scorer: Scorer, rows: Rows) -> float:
    started = time.perf_counter()
    for row in rows:
        scorer.probability(row)
    return (time.perf_counter() - started) * 1000 / len(rows)


def replay(challenger: Scorer, champion: Scorer, rows: Rows) -> dict[str, Any]:
    """How the answers to recent traffic would have differed: share of flipped predictions, shift of the score."""
    if not rows:
        return {"n_rows": 0}
    new, old = score_rows(challenger, rows), score_rows(champion, rows)
    return {
        "n_rows": len(rows),
        "flipped_share": float(np.mean((new >= 0.5) != (old >= 0.5))),
        "mean_probability_challenger": float(new.mean()),
        "mean_probability_champion": float(old.mean()),
        "largest_change": float(np.max(np.abs(new - old))),
    }
