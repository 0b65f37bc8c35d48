"""Tables and charts as Dagster metadata.

Not here: the design and rendering of charts (pmmds_core.reports.charts), the numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pmmds_core.reports import charts
from pmmds_core.reports.charts import ChartText

Bars = Mapping[str, float | None]
# An image has no access to the page's CSS variables. These colors are legible on Dagster's light and dark themes.
_STYLE = (
    "<style>svg{color:#7b8794;--line:#b8c0c9;--current:#4a82cc;--series-2:#d0762b;"
    "font-family:Inter,Helvetica,Arial,sans-serif}</style>"
)


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return the rows as an inline table. The columns are the first row's keys, and floats have four decimal places."""
    records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows]
    columns = [dg.TableColumn(name=str(k), type=_kind(v)) for k, v in (rows[0] if rows else {}).items()]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 4)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _kind(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float"}.get(type(value), "string")


def bar_chart(title: str, bars: Bars, *, threshold: float | None = None, unit: str = "") -> dg.MarkdownMetadataValue:
    """Return a chart of horizontal bars, largest first, with a line at `threshold`.

    Bars at or above the threshold are highlighted.

    A value of None is shown as a label without a bar.
    """
    values = {label: value or 0.0 for label, value in bars.items()}
    return _markdown(title, unit, charts.bars(_chart_text(title), values, threshold))


def line_chart(title: str, points: Sequence[tuple[str, float]], *, unit: str = "") -> dg.MarkdownMetadataValue:
    """Return a line chart with one value per label, in the given order."""
    return _markdown(title, unit, charts.line(_chart_text(title), points))


def reliability_chart(title: str, rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Return a calibration chart of the mean probability and the observed share in each score decile."""
    return _markdown(title, "", charts.reliability(_chart_text(title), rows))


def _chart_text(title: str) -> ChartText:
    return ChartText("chart", title, title)


def _markdown(title: str, unit: str, svg: str) -> dg.MarkdownMetadataValue:
    """Return the SVG as a data URI, which Dagster's Markdown sanitizer allows as an image source."""
    encoded = base64.b64encode(svg.replace(">", f">{_STYLE}", 1).encode()).decode()
    heading = f"**{title}** ({unit})" if unit else f"**{title}**"
    return dg.MetadataValue.md(f"{heading}\n\n![{title}](data:image/svg+xml;base64,{encoded})")
