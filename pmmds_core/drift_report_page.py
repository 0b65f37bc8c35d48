"""The drift report as one HTML page that works offline. Keep out: measures and verdicts; the page only shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pmmds_core.binning import SCORE

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "drift_report.html"


@dataclass(frozen=True)
class PageHead:
    """What the page says above the numbers. The window is [window_start, window_end), UTC."""

    model_name: str
    model_version: str
    window_start: datetime
    window_end: datetime
    psi_threshold: float
    created_at: datetime


def render_page(document: Mapping[str, Any], head: PageHead) -> str:
    """HTML of a report document (`drift_policy.report_document`): verdict, reasons, features by PSI, their bins."""
    features = sorted(document["features"], key=lambda f: (f["feature"] == SCORE, -(f["psi"] or 0.0)))
    shown = [{**f, "title": "score" if f["feature"] == SCORE else f["feature"], "peak": _peak(f)} for f in features]
    return _template().render(document=document, head=head, features=shown)


def _peak(feature: Mapping[str, Any]) -> float:
    """The largest share of any bin, which fills the width of the picture."""
    shares = [s for b in feature["bins"] for s in (b["reference_share"], b["current_share"]) if s is not None]
    return max(shares, default=0.0) or 1.0


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pmmds_core"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["share"] = lambda v: "–" if v is None else f"{v:.1%}"
    environment.filters["number"] = lambda v: "–" if v is None else f"{v:.4f}"
    environment.filters["utc"] = lambda v: f"{v:%Y-%m-%d %H:%M}"
    return environment.get_template(TEMPLATE)
