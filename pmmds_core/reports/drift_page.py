"""The drift report as one HTML page that works from disk and offline. Keep out: measures and verdicts; it only shows.

What the page shows is drift_view.py's, its pictures charts.py's; here are its head and its template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pmmds_core.reports.drift_history import PageContext
from pmmds_core.reports.drift_view import view_of

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE, STYLE = "drift_report.html", "page.css"


@dataclass(frozen=True)
class PageHead:
    """Above the numbers, for a model in production. The window is [window_start, window_end), UTC."""

    model_name: str
    model_version: str
    window_start: datetime
    window_end: datetime
    psi_threshold: float
    created_at: datetime

    @property
    def title(self) -> str:
        return f"Drift of {self.model_name} v{self.model_version}"

    def sentence(self, n_reference: int, n_current: int) -> str:
        window = f"{self.window_start:%Y-%m-%d %H:%M} to {self.window_end:%Y-%m-%d %H:%M} UTC"
        return (
            f"{n_current:,} rows answered from {window}, "
            f"against the {n_reference:,} rows this version was trained with."
        )


@dataclass(frozen=True)
class FilesHead:
    """Above the numbers, for two files; the names are shown as they are."""

    reference: str
    current: str
    psi_threshold: float
    created_at: datetime

    @property
    def title(self) -> str:
        return f"Drift from {self.reference} to {self.current}"

    def sentence(self, n_reference: int, n_current: int) -> str:
        return f"{n_current:,} rows of {self.current} against {n_reference:,} rows of {self.reference}."


def render_page(document: Mapping[str, Any], head: PageHead | FilesHead, context: PageContext | None = None) -> str:
    """HTML of a report document (the shape of `pmmds drift compare --json`; keys of newer documents may be missing).

    Args:
        document: verdict, rules and features.
        head: what was compared.
        context: what a single document cannot know: PSI by hour, earlier reports.
    """
    view = view_of(document, head.psi_threshold, context or PageContext())
    return environment().get_template(TEMPLATE).render(view=view, head=head, css=style())


def style() -> str:
    """The style sheet that every page carries with it."""
    return files("pmmds_core.reports").joinpath("templates", STYLE).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Templates of the package with the filters for numbers; None is a dash."""
    from pmmds_core.runtime.html_templates import html_environment

    made = html_environment("pmmds_core.reports")
    made.filters["share"] = lambda v: _or_dash(v, ".1%")
    made.filters["number"] = lambda v: _or_dash(v, ".4f")
    made.filters["whole"] = lambda v: _or_dash(v, ",")
    made.filters["probability"] = lambda v: "< 0.0001" if v is not None and v < 1e-4 else _or_dash(v, ".4f")
    made.filters["utc"] = lambda v: f"{v:%Y-%m-%d %H:%M}"
    made.filters["words"] = lambda v: str(v).replace("_", " ")
    return made


def _or_dash(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)
