"""Renders the performance report as a self-contained page. Not here: measuring (workflows/daily_performance.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pmmds_core.reports import charts
from pmmds_core.reports.drift_page import environment, style
from pmmds_core.reports.performance_text import CBPE_EXPLANATION, estimate_text, realized_text
from pmmds_core.runtime.plurals import counted, plural

TEMPLATE = "performance_report.html"
DAILY_TEXT = (
    "Thin bars are 95% intervals of the realized ROC-AUC; wide, pale bars are those of the estimate without labels. "
    "Invalid estimates have pale points."
)
Documents = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class PerformanceHead:
    """The head of the page, for the `n_days` UTC days up to and including the day of `created_at`."""

    model_name: str
    n_days: int
    created_at: datetime


def render_performance(documents: Documents, head: PerformanceHead) -> str:
    """Render the documents of `daily_performance.refresh_days` as HTML, newest day first."""
    measured = [d for d in documents if d["realized"] is not None]
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            head=head,
            css=style(),
            sentence=sentence(documents),
            cbpe_explanation=CBPE_EXPLANATION,
            rows=[_row(d) for d in reversed(documents)],
            daily=_daily(documents),
            daily_text=DAILY_TEXT,
            reliability=_reliability(measured[-1]) if measured else None,
        )
    )


def sentence(documents: Documents) -> str:
    """Describe the newest realized ROC-AUC and the number of missing labels."""
    if not documents:
        return "There were no predictions in this period."
    missing = sum(d["n_labels_missing"] for d in documents)
    missing_text = (
        f"{missing:,} of {counted(sum(d['n_rows'] for d in documents), 'label')} "
        f"{plural(missing, 'is', 'are')} missing."
    )
    newest = next((d for d in reversed(documents) if d["realized"] is not None), None)
    if newest is None:
        return f"No day has enough labels yet: {missing_text}"
    auc = realized_text(newest, "roc_auc")
    day = f"{newest['day']}, the newest day with enough labels"
    return f"ROC-AUC of v{newest['model_version']} was {auc} on {day}; {missing_text}"


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: document[name] for name in ("day", "model_version", "n_rows", "n_labels_missing", "positive_share")},
        "roc_auc": realized_text(document, "roc_auc"),
        "log_loss": realized_text(document, "log_loss"),
        "brier_score": realized_text(document, "brier_score"),
        "calibration_error": _calibration_text(document),
        "estimate": estimate_text(document),
        "is_valid": document["estimated"]["is_valid"],
    }


def _calibration_text(document: Mapping[str, Any]) -> str:
    if document["realized"] is None:
        return "–"
    by_chance = document["realized"]["calibration_error"]["by_chance"]
    return f"{realized_text(document, 'calibration_error')}, by chance {by_chance:.3f}"


def _daily(documents: Documents) -> str:
    points = [point for d in documents for point in daily_points(d)]
    return charts.daily(charts.ChartText("daily", "ROC-AUC by day", DAILY_TEXT), points)


def daily_points(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the realized and the estimated point of a day and version, both at noon."""
    at = datetime.fromisoformat(document["day"]).replace(tzinfo=UTC, hour=12)
    points = []
    if document["realized"] is not None:
        points.append({"at": at, "what": "realized", "is_valid": True, **document["realized"]["roc_auc"]})
    found = document["estimated"]
    if found["roc_auc"] is not None:
        interval = {"value": found["roc_auc"], "low": found["roc_auc_low"], "high": found["roc_auc_high"]}
        estimated = {"at": at, "what": "estimated (CBPE)", "is_valid": found["is_valid"]}
        points.append({**estimated, **interval})
    return points


def _reliability(document: Mapping[str, Any]) -> dict[str, Any]:
    text = "The dashed diagonal is perfect calibration. The bars are 95% intervals of the observed share."
    title = f"Calibration of v{document['model_version']} on {document['day']}"
    svg = charts.reliability(charts.ChartText("rel", title, text), document["reliability"])
    return {"title": title, "text": text, "svg": svg, "rows": document["reliability"]}
