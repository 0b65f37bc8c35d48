"""Metadata that a person looks at: tables and pictures. Keep out: numbers that are not shown yet somewhere else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

_BLUE, _ORANGE, _GREY = "#3b6fb6", "#d9822b", "#9aa5b1"
Bars = Mapping[str, float | None]


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as an inline table; the columns are the first row's keys, floats rounded to four places."""
    records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows]
    columns = [dg.TableColumn(name=str(k), type=_kind(v)) for k, v in (rows[0] if rows else {}).items()]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 4)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _kind(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float"}.get(type(value), "string")


def bar_picture(title: str, bars: Bars, *, threshold: float | None = None, unit: str = "") -> dg.MarkdownMetadataValue:
    """Horizontal bars, the largest on top, with a line at `threshold`; bars over it stand out; None has no bar."""
    figure, axes = _figure(max(2.0, 0.28 * len(bars) + 1.0))
    ordered = sorted(((k, v or 0.0) for k, v in bars.items()), key=lambda pair: pair[1])
    colors = [_ORANGE if threshold is not None and v >= threshold else _BLUE for _, v in ordered]
    axes.barh([k for k, _ in ordered], [v for _, v in ordered], color=colors)
    if threshold is not None:
        axes.axvline(threshold, color=_GREY, linestyle="--", linewidth=1)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit)
    return _markdown(figure, title)


def line_picture(title: str, points: Sequence[tuple[Any, float]], *, unit: str = "") -> dg.MarkdownMetadataValue:
    """Values over an ordered axis."""
    figure, axes = _figure(2.6)
    axes.plot([p[0] for p in points], [p[1] for p in points], color=_BLUE, marker="o", markersize=3)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(unit)
    axes.tick_params(axis="x", rotation=30)
    return _markdown(figure, title)


def reliability_picture(title: str, rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Mean probability against the observed share, by decile of the score; the diagonal is perfect."""
    figure, axes = _figure(3.6)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    axes.plot([r["mean_probability"] for r in rows], [r["positive_share"] for r in rows], color=_BLUE, marker="o")
    axes.set_xlabel("mean probability")
    axes.set_ylabel("observed share")
    axes.set_title(title, loc="left", fontsize=10)
    return _markdown(figure, title)


def _figure(height: float) -> tuple[Any, Any]:
    """A figure without pyplot: no global state, no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height), layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _markdown(figure: Any, title: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
