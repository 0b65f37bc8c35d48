"""An evaluation in a person's words, for the page, the model card and Dagster. Keep out: measuring, judging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.policies.promotion import SIGNIFICANCE_LEVEL
from pmmds_core.statistics.p_values import format_p_value

_DASH = "–"
# The names a person reads, in the order of what decides first.
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
    """What was found, in two sentences; no verdict, which is the policy's."""
    rows = f"{evaluation.n_holdout_rows:,} held-out {evaluation.holdout_kind} rows"
    own = f"v{evaluation.challenger_version} has ROC-AUC {evaluation.challenger_metrics['roc_auc']:.4f}"
    if evaluation.champion_metrics is None or evaluation.delong_p_value is None:
        return f"On {rows} {own}; there is no champion to compare it with."
    old = f"champion v{evaluation.champion_version} {evaluation.champion_metrics['roc_auc']:.4f}"
    improvement = evaluation.challenger_metrics["roc_auc"] - evaluation.champion_metrics["roc_auc"]
    known = "beyond what chance gives" if evaluation.delong_p_value < SIGNIFICANCE_LEVEL else "within what chance gives"
    return (
        f"On {rows} {own}, {old} ({improvement:+.4f}). "
        f"A one-sided paired DeLong test gives p {format_p_value(evaluation.delong_p_value)}: a gain {known}."
    )


def measure_rows(evaluation: ModelEvaluation) -> list[dict[str, str]]:
    """Rows of measure, challenger, champion, with intervals where there are any."""
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
    found = (measures or {}).get(name)
    if found is None:
        return _DASH if metrics is None or name not in metrics else f"{metrics[name]:.4f}"
    by_chance = f", by chance {found['by_chance']:.4f}" if "by_chance" in found else ""
    return f"{found['value']:.4f} ({found['low']:.4f}–{found['high']:.4f}{by_chance})"


def worst_text(evaluation: ModelEvaluation) -> str:
    """The segment where the challenger loses most, or why none was looked at."""
    worst, n_small = evaluation.worst_segment, len(evaluation.small_segments or [])
    left_out = f" {n_small} segments had too few rows of a class to be judged." if n_small else ""
    if worst is None:
        return f"No segment had enough rows to be judged.{left_out}"
    where = f"{worst['feature']} = {worst['value']} ({worst['n_rows']:,} rows)"
    if worst["champion"] is None:
        return f"Ranks worst where {where}: ROC-AUC {worst['challenger']:.4f}.{left_out}"
    return (
        f"Does worst beside the champion where {where}: ROC-AUC {worst['challenger']:.4f} against "
        f"{worst['champion']:.4f} ({worst['difference']:+.4f}, q {format_p_value(worst['q_value'])} over "
        f"{len(evaluation.segments or [])} segments).{left_out}"
    )


def timing_text(evaluation: ModelEvaluation) -> str:
    own = f"One row takes {evaluation.challenger_latency_ms:.4f} ms"
    if evaluation.latency_ratio is None:
        return f"{own}."
    found = evaluation.latency_ratio_interval
    interval = "" if found is None else f" ({found[0]:.2f}–{found[1]:.2f})"
    return (
        f"{own}, {evaluation.latency_ratio:.2f}{interval} times the champion's; {evaluation.n_latency_calls:,} calls."
    )


def replay_text(evaluation: ModelEvaluation) -> str:
    found = evaluation.replay
    if found is None:
        return "Without a champion there is no traffic to answer again."
    if not found["n_rows"]:
        return "Nothing was answered in the last 24 hours, so no traffic could be replayed."
    return (
        f"Of the {found['n_rows']:,} newest requests of the last 24 hours {found['flipped_share']:.1%} "
        f"would be answered otherwise ({_interval(found)}); the mean probability shifts from "
        f"{found['mean_probability_champion']:.3f} to {found['mean_probability_challenger']:.3f}."
    )


def _interval(found: Mapping[str, Any]) -> str:
    if "flipped_low" not in found:
        return "no interval was kept"
    return f"95 % interval {found['flipped_low']:.1%}–{found['flipped_high']:.1%}"
