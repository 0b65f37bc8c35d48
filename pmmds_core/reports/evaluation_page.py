"""The evaluation as one HTML page that works from disk. Keep out: measures and verdicts; the page only shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.reports import charts
from pmmds_core.reports.drift_page import environment, style
from pmmds_core.reports.evaluation_text import measure_rows, replay_text, sentence, timing_text, worst_text
from pmmds_core.reports.shadow_text import shadow_rows, shadow_text

TEMPLATE = "evaluation.html"


def render_evaluation(evaluation: ModelEvaluation, model_name: str, created_at: datetime) -> str:
    """HTML of an evaluation; segments those first where the challenger loses most."""
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            e=evaluation,
            model_name=model_name,
            created_at=created_at,
            css=style(),
            sentence=sentence(evaluation),
            measures=measure_rows(evaluation),
            timing=timing_text(evaluation),
            replay=replay_text(evaluation),
            replay_chart=_replay_chart(evaluation),
            shadow=shadow_text(evaluation.shadow),
            shadow_rows=shadow_rows(evaluation.shadow) if evaluation.shadow else [],
            worst=worst_text(evaluation),
            segments=by_loss(evaluation.segments or []),
            calibrations=_calibrations(evaluation),
        )
    )


def by_loss(segments: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Segments with the most evidence of a loss first; without a champion those that rank worst."""
    return sorted(segments, key=lambda s: (-1.0 if s["p_value"] is None else s["p_value"], s["challenger"]))


def _calibrations(evaluation: ModelEvaluation) -> list[dict[str, Any]]:
    tables = {f"challenger v{evaluation.challenger_version}": evaluation.score_table}
    if evaluation.champion_score_table:
        tables[f"champion v{evaluation.champion_version}"] = evaluation.champion_score_table
    return [_calibration(i, who, rows) for i, (who, rows) in enumerate(tables.items()) if rows and "low" in rows[0]]


def _calibration(number: int, who: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    words = "Mean probability against the observed share by tenth of the score; on the dashed line it is perfect."
    svg = charts.reliability(charts.Words(f"rel{number}", f"Calibration of {who}", words), rows)
    return {"who": who, "svg": svg, "rows": rows}


def _replay_chart(evaluation: ModelEvaluation) -> str:
    bins = (evaluation.replay or {}).get("bins")
    if not bins:
        return ""
    words = "Share of requests by tenth of the score: the champion's above in grey, the challenger's below."
    sides = [{"label": b["label"], "reference_share": b["champion"], "current_share": b["challenger"]} for b in bins]
    return charts.histogram(charts.Words("replay", "Scores of recent traffic", words), sides)
