"""Renders the drift report as a self-contained HTML page that works offline.

Not here: the page's content (drift_view.py), charts (charts.py), measures and verdicts (drift/).
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
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE, STYLES = "drift_report.html", ("colors.css", "page.css")


@dataclass(frozen=True)
class PageHead:
    """The head of a production model's page.

    The window is [window_start, window_end) in UTC. The head has no `remarks`, because the contract specifies how
    columns are read.
    """

    model_name: str
    model_version: str
    window_start: datetime
    window_end: datetime
    psi_threshold: float
    created_at: datetime
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Drift of {self.model_name} v{self.model_version}"

    def sentence(self, n_reference: int, n_current: int) -> str:
        window = f"{self.window_start:%Y-%m-%d %H:%M} to {self.window_end:%Y-%m-%d %H:%M} UTC"
        predictions, rows = counted(n_current, "prediction"), counted(n_reference, "training row")
        return f"{predictions} from {window}, compared with the {rows} of this version."


@dataclass(frozen=True)
class FilesHead:
    """The head of a page that compares two files.

    The names of the files are shown unchanged. `remarks` has sentences about how columns were read or why they were
    omitted.
    """

    reference: str
    current: str
    psi_threshold: float
    created_at: datetime
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Drift from {self.reference} to {self.current}"

    def sentence(self, n_reference: int, n_current: int) -> str:
        now, before = counted(n_current, "row"), counted(n_reference, "row")
        return f"{now} of {self.current} compared with {before} of {self.reference}."


def render_page(document: Mapping[str, Any], head: PageHead | FilesHead, context: PageContext | None = None) -> str:
    """Render a report document as HTML.

    The document has the format of `pmmds drift compare --json`.

    Args:
        document: the verdict, rules and features.
        head: describes what was compared.
        context: data that is not in the document: hourly PSI and previous reports.
    """
    view = view_of(document, head.psi_threshold, context or PageContext())
    return environment().get_template(TEMPLATE).render(view=view, head=head, css=style())


def style() -> str:
    """Return the style sheets that are embedded in every page."""
    templates = files("pmmds_core.reports").joinpath("templates")
    return "".join(templates.joinpath(name).read_text(encoding="utf-8") for name in STYLES)


@cache
def environment() -> Environment:
    """Return the Jinja environment with the package's templates and number filters, which show None as a dash."""
    from pmmds_core.runtime.html_templates import html_environment

    jinja = html_environment("pmmds_core.reports")
    jinja.filters["share"] = lambda v: _or_dash(v, ".1%")
    jinja.filters["number"] = lambda v: _or_dash(v, ".4f")
    jinja.filters["whole"] = lambda v: _or_dash(v, ",")
    jinja.filters["probability"] = lambda v: "< 0.0001" if v is not None and v < 1e-4 else _or_dash(v, ".4f")
    jinja.filters["utc"] = lambda v: f"{v:%Y-%m-%d %H:%M}"
    jinja.filters["spaced"] = lambda v: str(v).replace("_", " ")
    return jinja


def _or_dash(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)
