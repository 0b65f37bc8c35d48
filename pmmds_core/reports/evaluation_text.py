"""The text that describes an evaluation on its page, in the model card and in Dagster.

Not here: measuring (evaluation/), the judgment (policies/promotion.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.evaluation.replay import MIN_ROWS
from pmmds_core.policies.promotion import SIGNIFICANCE_LEVEL
from pmmds_core.runtime.plurals import counted, plural
from pmmds_core.statistics.p_values import format_p_value

_DASH = "–"
# The display names of the metrics, in order of importance.
_MEASURES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "PR-AUC",
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


def sentence(evaluation: ModelEvaluation) -> str:
    """Return the result in two sentences, without the policy's verdict."""
    rows = counted(evaluation.n_holdout_rows, f"held-out {evaluation.holdout_kind} row")
    own = f"v{evaluation.challenger_version} has ROC-AUC {evaluation.challenger_metrics['roc_auc']:.4f}"
    if evaluation.champion_metrics is None or evaluation.delong_p_value is None:
        return f"On {rows} {own}. There is no champion to compare it with."
    old = f"champion v{evaluation.champion_version} {evaluation.champion_metrics['roc_auc']:.4f}"
    improvement = evaluation.challenger_metrics["roc_auc"] - evaluation.champion_metrics["roc_auc"]
    finding = "significant" if evaluation.delong_p_value < SIGNIFICANCE_LEVEL else "not significant"
    return (
        f"On {rows} {own}, {old} ({improvement:+.4f}). "
        f"One-sided paired DeLong test: p {format_p_value(evaluation.delong_p_value)}, the gain is {finding}."
    )


def measure_rows(evaluation: ModelEvaluation) -> list[dict[str, str]]:
    """Return table rows with the measure, the challenger and the champion, with intervals if they are available."""
    names = [n for n in _MEASURES if n in evaluation.challenger_metrics or n in (evaluation.challenger_measures or {})]
    return [
        {
            "measure": _MEASURES[name],
            "challenger": _measure(name, evaluation.challenger_metrics, evaluation.challenger_measures),
            "champion": _measure(name, evaluation.champion_metrics, evaluation.champion_measures),
        }
        for name in names
    ]


def _measure(name: str, metrics: Mapping[str, float] | None, measures: Mapping[str, Mapping[str, float]] | None) -> str:
    measured = (measures or {}).get(name)
    if measured is None:
        return _DASH if metrics is None or name not in metrics else f"{metrics[name]:.4f}"
    by_chance = f", by chance {measured['by_chance']:.4f}" if "by_chance" in measured else ""
    return f"{measured['value']:.4f} ({measured['low']:.4f}–{measured['high']:.4f}{by_chance})"


def worst_text(evaluation: ModelEvaluation) -> str:
    """Describe the segment with the most significant loss, or the reason why none was compared."""
    worst, n_small = evaluation.worst_segment, len(evaluation.small_segments or [])
    left_out = f" {counted(n_small, 'segment')} had too few rows in one class." if n_small else ""
    if worst is None:
        return f"No segment had enough rows to compare.{left_out}"
    where = f"{worst['feature']} = {worst['value']} ({counted(worst['n_rows'], 'row')})"
    if worst["champion"] is None:
        return f"Worst segment: {where}, ROC-AUC {worst['challenger']:.4f}.{left_out}"
    return (
        f"Worst segment against the champion: {where}, ROC-AUC {worst['challenger']:.4f} vs "
        f"{worst['champion']:.4f} ({worst['difference']:+.4f}, q {format_p_value(worst['q_value'])} over "
        f"{counted(len(evaluation.segments or []), 'segment')}).{left_out}"
    )


def timing_text(evaluation: ModelEvaluation) -> str:
    own = f"Scoring one row takes {evaluation.challenger_latency_ms:.4f} ms"
    if evaluation.latency_ratio is None:
        return f"{own}."
    found = evaluation.latency_ratio_interval
    interval = "" if found is None else f" ({found[0]:.2f}–{found[1]:.2f})"
    return (
        f"{own}, {evaluation.latency_ratio:.2f}{interval} times the champion's; "
        f"{counted(evaluation.n_latency_calls, 'call')}."
    )


def replay_text(evaluation: ModelEvaluation) -> str:
    found = evaluation.replay
    if found is None:
        return "There is no champion to compare with in a replay."
    if not found["n_rows"]:
        return "There were no predictions in the last 24 hours to replay."
    if "flipped_share" not in found:
        return (
            f"There {plural(found['n_rows'], 'was', 'were')} {counted(found['n_rows'], 'prediction')} in the last 24 "
            f"hours; a replay requires at least {MIN_ROWS}."
        )
    interval = f"95% interval {found['flipped_low']:.1%}–{found['flipped_high']:.1%}"
    return (
        f"Of the newest {counted(found['n_rows'], 'request')} of the last 24 hours, {found['flipped_share']:.1%} "
        f"would get a different prediction ({interval}); the mean probability shifts from "
        f"{found['mean_probability_champion']:.3f} to {found['mean_probability_challenger']:.3f}."
    )
