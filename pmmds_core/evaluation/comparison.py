"""Measures the champion and the challenger on the same holdout rows, in one process.

Add a measurement here. Not here: the decision (policies/promotion.py), the page (reports/evaluation_page.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pmmds_core.errors import EvaluationError
from pmmds_core.evaluation.replay import MIN_ROWS as MIN_REPLAYED
from pmmds_core.evaluation.replay import replay
from pmmds_core.evaluation.segments import Segments, measure_segments, worst_segment
from pmmds_core.models.latency import compare_scoring_time
from pmmds_core.models.portable_scorer import Rows, Scorer
from pmmds_core.models.scorer_compiler import score_rows
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.arrays import Labels, Probabilities
from pmmds_core.statistics.classification import DECISION_THRESHOLD, auc_interval, classification_metrics, paired_auc
from pmmds_core.statistics.intervals import measures, reliability_table


@dataclass(frozen=True)
class CandidateModel:
    """A model version to evaluate."""

    version: str
    scorer: Scorer
    is_validated: bool


@dataclass(frozen=True)
class ModelEvaluation:
    """The measurements of an evaluation.

    Without a champion, the champion's fields are None. Latencies are in milliseconds per row. The fields `*_measures`
    have the value and the 95% interval of each measure. `score_table` and `champion_score_table` are reliability
    tables. `segments`, `small_segments` and `worst_segment` have the fields defined in evaluation/segments.py. `replay`
    has the fields defined in evaluation/replay.py, or only `n_rows` (0) without traffic. `shadow` has the fields of
    shadow.ShadowAgreement if the challenger scored live traffic before the evaluation. `challenger_files` is the
    `Bundle.files_digest` of the evaluated files. No other files may be promoted.
    """

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
    latency_ratio_interval: tuple[float, float] | None = None
    n_latency_calls: int = 0
    delong_p_value: float | None = None
    delong_standard_error: float | None = None
    n_holdout_positive: int | None = None
    challenger_measures: dict[str, Mapping[str, float]] | None = None
    champion_measures: dict[str, Mapping[str, float]] | None = None
    champion_score_table: list[dict[str, Any]] | None = None
    segments: list[dict[str, Any]] | None = None
    small_segments: list[dict[str, Any]] | None = None
    worst_segment: dict[str, Any] | None = None
    replay: dict[str, Any] | None = None
    shadow: dict[str, Any] | None = None
    challenger_files: str = ""

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
    challenger: CandidateModel,
    champion: CandidateModel | None,
    rows: Rows,
    labels: Labels,
    *,
    primary_metric: str,
    holdout_kind: str,
    segments: Segments | None = None,
    recent_rows: Rows = (),
) -> ModelEvaluation:
    """Measure both models on the same rows.

    Args:
        challenger: the new model.
        champion: the production model, or None for the first model.
        rows: an array of shape (n, features) with holdout rows in the contract's order.
        labels: an array of shape (n,) with labels of both classes (see holdout_checks).
        primary_metric: the metric that the promotion policy compares.
        holdout_kind: the source of the rows, `reference` or `production`.
        segments: the masks of rows to measure separately.
        recent_rows: recent production rows for the traffic replay, which do not need labels.

    Raises:
        EvaluationError: a model returned a score that is not a probability.
    """
    scores = _scores(challenger, rows)
    champion_scores = None if champion is None else _scores(champion, rows)
    interval = auc_interval(labels, scores)
    measured, small = measure_segments(segments or {}, labels, scores, champion_scores)
    worst = worst_segment(measured)
    own: dict[str, Any] = {
        "challenger_version": challenger.version,
        "primary_metric": primary_metric,
        "n_holdout_rows": len(rows),
        "n_holdout_positive": int(labels.sum()),
        "holdout_kind": holdout_kind,
        "validation_passed": challenger.is_validated,
        "challenger_metrics": classification_metrics(labels, scores),
        "challenger_interval": (interval.low, interval.high),
        "challenger_measures": _measures(labels, scores),
        "score_table": reliability_table(labels, scores),
        "segments": [asdict(s) for s in measured],
        "small_segments": [asdict(s) for s in small],
        "worst_segment": None if worst is None else asdict(worst),
    }
    if champion is None or champion_scores is None:
        alone = compare_scoring_time(challenger.scorer, challenger.scorer, rows)
        return ModelEvaluation(champion_version=None, challenger_latency_ms=alone.challenger_ms, **own)
    compared = {
        **_ranked(champion, labels, scores, champion_scores),
        **_timed(challenger, champion, rows),
        **_replayed(challenger, champion, recent_rows),
    }
    return ModelEvaluation(**own, **compared)


def _scores(candidate: CandidateModel, rows: Rows) -> Probabilities:
    scores = score_rows(candidate.scorer, rows)
    n_wrong = int((~((scores >= 0) & (scores <= 1))).sum())
    if n_wrong:
        raise EvaluationError(
            f"v{candidate.version} returns no probability for {n_wrong} of {counted(len(rows), 'holdout row')}.",
            next_step="Check its estimator: it must return a number from 0 to 1 for every valid row.",
        )
    return scores


def _measures(labels: Labels, scores: Probabilities) -> dict[str, Mapping[str, float]]:
    return measures(labels, scores, (scores >= DECISION_THRESHOLD).astype(np.int64))


def _ranked(champion: CandidateModel, labels: Labels, scores: Probabilities, champion_scores: Probabilities) -> Any:
    interval = auc_interval(labels, champion_scores)
    paired = paired_auc(labels, scores, champion_scores)
    return {
        "champion_version": champion.version,
        "champion_metrics": classification_metrics(labels, champion_scores),
        "champion_interval": (interval.low, interval.high),
        "champion_measures": _measures(labels, champion_scores),
        "champion_score_table": reliability_table(labels, champion_scores),
        "delong_p_value": paired.p_value,
        "delong_standard_error": paired.standard_error,
    }


def _timed(challenger: CandidateModel, champion: CandidateModel, rows: Rows) -> dict[str, Any]:
    took = compare_scoring_time(challenger.scorer, champion.scorer, rows)
    return {
        "challenger_latency_ms": took.challenger_ms,
        "champion_latency_ms": took.champion_ms,
        "latency_ratio": took.ratio,
        "latency_ratio_interval": (took.ratio_low, took.ratio_high),
        "n_latency_calls": took.n_calls,
    }


def _replayed(challenger: CandidateModel, champion: CandidateModel, rows: Rows) -> dict[str, Any]:
    if len(rows) < MIN_REPLAYED:
        return {"replay": {"n_rows": len(rows)}}
    replayed = replay(challenger.scorer, champion.scorer, rows)
    return {"replay": None if replayed is None else asdict(replayed)}
