"""Charts as inline SVG: the compiled designs filled with data and rendered by vl-convert.

Add a function for each design. Not here: how a chart looks (chart_designs.py), pages and their text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

Rows = Sequence[Mapping[str, Any]]
MAX_LABEL = 24
_ROOT = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)" viewBox="([^"]+)">')
# Invisible paths and attributes that the root element can carry once make up half of Vega's output.
_NOISE = re.compile(r'<path class="(?:background|foreground)"[^>]*/>| pointer-events="none"')
_ATTRIBUTES = re.compile(
    r' class="[^"]*"| role="graphics-[^"]*"| aria-roledescription="[^"]*"| aria-hidden="true"| opacity="1"'
    r'| font-family="inherit"| font-size="11px"'
)
_TAG = re.compile("<[^>]+>")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")


@dataclass(frozen=True)
class ChartText:
    """Title and description of a chart for screen readers. `key`: unique in the page."""

    key: str
    title: str
    description: str


def histogram(text: ChartText, bins: Rows) -> str:
    """Bins: label, reference_share, current_share; bins that are empty on both sides are omitted."""
    rows = []
    for b in bins:
        if b["reference_share"] or b["current_share"]:
            label = short(str(b["label"]))
            sides = (("reference", b["reference_share"]), ("current", b["current_share"]))
            rows += [{"label": label, "side": side, "share": share or 0.0} for side, share in sides]
    return _draw("histogram", text, rows=_with_unique_labels(rows, 2))


def heatmap(text: ChartText, cells: Rows) -> str:
    """Cells: feature, column, excess (None if there were too few rows)."""
    return _draw("heatmap", text, rows=[{**cell, "feature": short(cell["feature"])} for cell in cells])


def history(text: ChartText, points: Rows, threshold: float) -> str:
    """Points: at (aware datetime), feature, psi; the design has colors for five features."""
    rows = [{**p, "at": _milliseconds(p["at"]), "feature": short(p["feature"])} for p in points]
    return _draw("history", text, rows=rows, limits=[{"psi": threshold}])


def daily(text: ChartText, points: Rows) -> str:
    """Points: at (aware datetime), value, low, high, what, is_valid."""
    return _draw("daily", text, rows=[{**p, "at": _milliseconds(p["at"])} for p in points])


def reliability(text: ChartText, rows: Rows) -> str:
    """Rows: mean_probability, positive_share, low, high."""
    return _draw("reliability", text, rows=rows, diagonal=[{"at": 0}, {"at": 1}])


def bars(text: ChartText, values: Mapping[str, float], threshold: float | None = None) -> str:
    """Horizontal bars, the largest first; bars at or above the threshold have another color."""
    ordered = sorted(values.items(), key=lambda pair: -pair[1])
    rows = [
        {"label": short(label), "value": value, "over": threshold is not None and value >= threshold}
        for label, value in ordered
    ]
    limits = [] if threshold is None else [{"at": threshold}]
    return _draw("bars", text, rows=_with_unique_labels(rows, 1), limits=limits)


def line(text: ChartText, points: Sequence[tuple[str, float]]) -> str:
    """Values by label, in the order given; equal labels remain separate points."""
    rows = [{"label": label, "value": value} for label, value in points]
    return _draw("line", text, rows=_with_unique_labels(rows, 1))


def short(label: str) -> str:
    """The label cut to MAX_LABEL characters; the table next to the chart has the full label."""
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


def _with_unique_labels(rows: list[dict[str, Any]], each: int) -> list[dict[str, Any]]:
    """Add zero-width spaces to labels that were cut to the same text, so that they remain separate bars."""
    seen: dict[str, int] = {}
    for i in range(0, len(rows), each):
        label = rows[i]["label"]
        n = seen[label] = seen.get(label, -1) + 1
        for row in rows[i : i + each]:
            row["label"] = label + "\u200b" * n
    return rows


def _milliseconds(at: Any) -> float:
    return float(at.timestamp() * 1000)


def _draw(name: str, text: ChartText, **data: Iterable[Mapping[str, Any]]) -> str:
    import vl_convert

    spec = msgspec.json.decode(_compiled(name))
    for source in spec["data"]:
        if source["name"] in data:
            source["values"] = list(data[source["name"]])
    return _with_text(vl_convert.vega_to_svg(spec), text)


@cache
def _compiled(name: str) -> bytes:
    whole = msgspec.json.decode(files("pmmds_core.reports").joinpath("templates/charts.compiled.json").read_bytes())
    return msgspec.json.encode(whole[name])


def _with_text(svg: str, text: ChartText) -> str:
    """Vega's SVG with title and description, its natural size as width and height, without redundant attributes."""
    root = _ROOT.match(svg)
    if root is None:
        raise ValueError(f"not an SVG by Vega: {svg[:80]!r}")
    width, height, box = root.groups()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{text.key}-t {text.key}-d" '
        f'width="{width}" height="{height}" viewBox="{box}" font-size="11">'
        f'<title id="{text.key}-t">{html.escape(text.title)}</title>'
        f'<desc id="{text.key}-d">{html.escape(text.description)}</desc>'
    )
    return head + _TAG.sub(_shortened, _NOISE.sub("", svg[root.end() :]))


def _shortened(tag: re.Match[str]) -> str:
    """One tag with coordinates rounded to a tenth of a pixel; text between tags is unchanged."""
    return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.1f}", _ATTRIBUTES.sub("", tag[0]))
