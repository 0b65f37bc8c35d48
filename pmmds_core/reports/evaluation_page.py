"""Renders an evaluation as a self-contained HTML page.

Not here: measuring (evaluation/), the judgment (policies/promotion.py).
"""

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
    """Render an evaluation as HTML, starting with the segments that have the most significant loss."""
    content = evaluation_content(evaluation)
    template = environment().get_template(TEMPLATE)
    return template.render(model_name=model_name, created_at=created_at, css=style(), **content)


def evaluation_content(evaluation: ModelEvaluation) -> dict[str, Any]:
    """Return the variables of evaluation_body.html, which this page and the console's decision page share."""
    return {
        "e": evaluation,
        "sentence": sentence(evaluation),
        "measures": measure_rows(evaluation),
        "timing": timing_text(evaluation),
        "replay": replay_text(evaluation),
        "replay_chart": _replay_chart(evaluation),
        "shadow": shadow_text(evaluation.shadow),
        "shadow_rows": shadow_rows(evaluation.shadow) if evaluation.shadow else [],
        "worst": worst_text(evaluation),
        "segments": by_loss(evaluation.segments or []),
        "calibrations": _calibrations(evaluation),
    }


def by_loss(segments: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort segments by the significance of their loss or, without a champion, by ascending ROC-AUC."""
    return sorted(segments, key=lambda s: (-1.0 if s["p_value"] is None else s["p_value"], s["challenger"]))


def _calibrations(evaluation: ModelEvaluation) -> list[dict[str, Any]]:
    tables = {f"challenger v{evaluation.challenger_version}": evaluation.score_table}
    if evaluation.champion_score_table:
        tables[f"champion v{evaluation.champion_version}"] = evaluation.champion_score_table
    return [_calibration(i, model, rows) for i, (model, rows) in enumerate(tables.items()) if rows]


def _calibration(number: int, model: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    text = "Mean probability and observed share in each decile of the score. The dashed line is perfect calibration."
    svg = charts.reliability(charts.ChartText(f"rel{number}", f"Calibration of {model}", text), rows)
    return {"model": model, "svg": svg, "rows": rows}


def _replay_chart(evaluation: ModelEvaluation) -> str:
    bins = (evaluation.replay or {}).get("bins")
    if not bins:
        return ""
    text = "Share of requests by score bin: champion above in gray, challenger below."
    sides = [{"label": b["label"], "reference_share": b["champion"], "current_share": b["challenger"]} for b in bins]
    return charts.histogram(charts.ChartText("replay", "Scores of recent traffic", text), sides)
