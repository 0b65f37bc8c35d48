"""Look up one prediction (values, contributions, label and origin), or list the newest predictions.

Not here: the lineage (pmmds_core/workflows/lineage.py).
"""

from __future__ import annotations

from typing import Any

from pmmds_console.api.parameters import text_filter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_core.deployment import Deployment
from pmmds_core.reports import charts
from pmmds_core.workflows.lineage import find_prediction, trace

MAX_LISTED = 20
# Contributions with a bar in the chart; the table has all of them.
MAX_BARS = 20


def _look_up(asked: PageRequest) -> PageContent:
    request_id = asked.values["id"]
    content: dict[str, Any] = {
        "request_id": request_id or "",
        "lineage": None,
        "ids": [],
        "chart": "",
        "contributions": [],
        "newest": [],
    }
    if request_id:
        content.update(_found(asked.deployment, request_id.strip()))
    else:
        content["newest"] = asked.deployment.prediction_log.recent(MAX_LISTED)
    return PageContent("Predictions", content)


def _found(deployment: Deployment, request_id: str) -> dict[str, Any]:
    """The lineage; or the ids of the rows if a client used the id for several."""
    ids = deployment.prediction_log.ids_named(request_id)
    if len(ids) != 1:
        return {"ids": ids[:MAX_LISTED]}
    lineage = trace(deployment, find_prediction(deployment, ids[0]))
    home = str(deployment.settings.home_path)
    lineage["notes"] = [note.replace(home, "PMMDS_HOME") for note in lineage["notes"]]
    explanation = lineage["explanation"] or {}
    contributions = explanation.get("contributions", [])
    return {"lineage": lineage, "ids": ids, "contributions": contributions, "chart": _chart(contributions)}


def _chart(contributions: list[dict[str, Any]]) -> str:
    """Contributions in log odds, the largest first; negative ones lower the probability."""
    if not contributions:
        return ""
    shown = sorted(contributions, key=lambda c: -abs(c["log_odds"]))[:MAX_BARS]
    text = "Contributions of the features to the log odds; to the left of 0 they lower the probability."
    return charts.bars(
        charts.ChartText("contributions", "Contributions", text), {c["feature"]: c["log_odds"] for c in shown}
    )


PAGES = (
    Page(
        "/predictions",
        "predictions.html",
        _look_up,
        (text_filter("id", "Id of the prediction, or the client's request id"),),
        navigation="Predictions",
    ),
)
