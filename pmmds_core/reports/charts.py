"""Fills the compiled chart designs with data and renders them as inline SVG with vl-convert.

Add a function for each design. Not here: the designs (chart_designs.py), pages and their text.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from pmmds_core.reports.time_axis import DAY, TimeAxis, day_axis, minute_axis

Rows = Sequence[Mapping[str, Any]]
MAX_LABEL = 24
# The number of characters that are kept at the end of a shortened label, because names often differ only there.
_TAIL = 9
REALIZED = "realized"
# Up to this maximum, an axis of counts has a tick at every integer.
MAX_COUNTED = 5
# The length in pixels of the time axis in the designs `daily` and `events`.
DAILY_WIDTH = 520
_ROOT = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)" viewBox="([^"]+)">')
# Half of Vega's output consists of invisible paths and of attributes that the root element can have once.
_NOISE = re.compile(r'<path class="(?:background|foreground)"[^>]*/>| pointer-events="none"')
_ATTRIBUTES = re.compile(
    r' class="[^"]*"| role="graphics-[^"]*"| aria-roledescription="[^"]*"| aria-hidden="true"| opacity="1"'
    r'| font-family="inherit"| font-size="11px"'
)
_TAG = re.compile("<[^>]+>")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")


@dataclass(frozen=True)
class ChartText:
    """The title and the description of a chart for screen readers. `key` is unique in the page."""

    key: str
    title: str
    description: str


@dataclass(frozen=True)
class AxisFill:
    """The parts of an axis that depend on the data.

    These are the range of the scale, the ticks as pairs of position and label, and the number format.
    """

    domain: tuple[float, float] | None = None
    ticks: Sequence[tuple[float, str]] = ()
    format: str = ""


def histogram(text: ChartText, bins: Rows, *, width: int = 0) -> str:
    """Render a histogram of bins, which have label, reference_share and current_share.

    Bins that are empty on both sides are omitted. `width` is the width of the plot in pixels; 0 means the width of the
    design.
    """
    shown = [b for b in bins if b["reference_share"] or b["current_share"]]
    sides = (("reference", "reference_share"), ("current", "current_share"))
    rows: list[dict[str, Any]] = [
        {"label": _keyed(i, str(b["label"])), "side": side, "share": b[name] or 0.0}
        for i, b in enumerate(shown)
        for side, name in sides
    ]
    largest = max((r["share"] for r in rows), default=0.0)
    axis = AxisFill(format=percent_format(largest, 3), domain=None if largest else (0.0, 1.0))
    return _draw("histogram", text, {"x": axis}, width=width, rows=rows)


def heatmap(text: ChartText, cells: Rows) -> str:
    """Render a heatmap of cells, which have feature, column, order and excess, column by column.

    `excess` is None if there are too few rows.
    """
    position = {name: i for i, name in enumerate(dict.fromkeys(cell["feature"] for cell in cells))}
    rows = [
        {
            "feature": _keyed(position[cell["feature"]], cell["feature"]),
            "column": _keyed(cell["order"], cell["column"]),
            "excess": cell["excess"],
        }
        for cell in cells
    ]
    return _draw("heatmap", text, rows=rows)


@dataclass(frozen=True)
class Limit:
    """A threshold and its label, which are drawn as a dashed line."""

    value: float
    label: str


def history(
    text: ChartText, points: Rows, threshold: float, *, axis: TimeAxis | None = None, width: int = DAILY_WIDTH
) -> str:
    """Render a line chart of points, which have at, feature and psi. Values above the threshold have a marker.

    `at` is an aware datetime, and None as `psi` leaves a gap in the line. The design has colors for five features; a
    chart of one feature has no legend. Returns an empty string if no point has a PSI. `axis` is the time axis, which is
    that of the points by default. `width` is the width of the plot in pixels.
    """
    if all(p["psi"] is None for p in points):
        return ""
    position = {name: i for i, name in enumerate(dict.fromkeys(p["feature"] for p in points))}
    rows = [
        {
            "at": _milliseconds(p["at"]),
            "feature": _keyed(position[p["feature"]], p["feature"]),
            "psi": p["psi"],
            "over": p["psi"] is not None and p["psi"] > threshold,
        }
        for p in points
    ]
    limits = [{"psi": threshold, "label": f"threshold {threshold:g}"}]
    x = _of_time(axis or minute_axis([p["at"] for p in points]))
    return _draw("history", text, {"x": x}, width=width, has_legend=len(position) > 1, rows=rows, limits=limits)


def daily(
    text: ChartText,
    points: Rows,
    *,
    axis: TimeAxis | None = None,
    width: int = DAILY_WIDTH,
    limits: Sequence[Limit] = (),
) -> str:
    """Render a chart of daily points, which have at (noon of the UTC day), value, low, high, what and is_valid.

    A point whose `is_beyond` is True has a marker. Returns an empty string if there are no points. `axis` is the time
    axis, which is that of the points by default. `width` is the width of the plot in pixels.
    """
    if not points:
        return ""
    axis = axis or day_axis([p["at"] for p in points])
    pixels = width * DAY / (axis.high - axis.low)
    rows = [{"is_beyond": False, **p, "at": _milliseconds(p["at"]), **_sizes(p, pixels)} for p in points]
    ends = [p[name] for p in points for name in ("low", "high", "value") if p[name] is not None]
    ends += [limit.value for limit in limits]
    y = AxisFill(None if min(ends) < max(ends) else (ends[0] - 0.05, ends[0] + 0.05))
    lines = [{"value": limit.value, "label": limit.label} for limit in limits]
    return _draw("daily", text, {"x": _of_time(axis), "y": y}, width=width, rows=rows, limits=lines)


def events(text: ChartText, points: Rows, axis: TimeAxis, *, width: int = DAILY_WIDTH) -> str:
    """Render a chart of events, which have at, lane and tone (good, bad or quiet).

    The lanes are in the order of their first event.
    """
    if not points:
        return ""
    position = {name: i for i, name in enumerate(dict.fromkeys(p["lane"] for p in points))}
    rows = [{**p, "at": _milliseconds(p["at"]), "lane": _keyed(position[p["lane"]], p["lane"])} for p in points]
    return _draw("events", text, {"x": _of_time(axis)}, width=width, rows=rows)


def _sizes(point: Mapping[str, Any], pixels: float) -> dict[str, float]:
    """Return the sizes of the marks for a day that is this many pixels wide.

    The interval of the estimate is wide and pale, and lies in the background.
    """
    is_estimate = point["what"] != REALIZED
    return {
        "stroke": min(7.0, 0.7 * pixels) if is_estimate else min(1.4, 0.3 * pixels),
        "pale": 0.3 if is_estimate else 1.0,
        "size": min(44.0, max(4.0, pixels * pixels)),
        "opacity": 1.0 if point["is_valid"] else 0.35,
    }


def reliability(text: ChartText, rows: Rows) -> str:
    """Render rows, which have mean_probability, positive_share, low and high, as a calibration chart."""
    return _draw("reliability", text, rows=rows, diagonal=[{"at": 0}, {"at": 1}])


def bars(text: ChartText, values: Mapping[str, float], threshold: float | None = None) -> str:
    """Render horizontal bars, longest first. Bars at or above the threshold have a different color."""
    ordered = sorted(values.items(), key=lambda pair: -pair[1])
    rows = [
        {"label": _keyed(i, label), "value": value, "over": threshold is not None and value >= threshold}
        for i, (label, value) in enumerate(ordered)
    ]
    limits = [] if threshold is None else [{"at": threshold}]
    return _draw(
        "bars", text, {"x": _of_values([*values.values(), *(x["at"] for x in limits)])}, rows=rows, limits=limits
    )


def line(text: ChartText, points: Sequence[tuple[str, float]], *, width: int = 0) -> str:
    """Render values by label, in the given order. Equal labels remain separate points.

    `width` is the width of the plot in pixels; 0 means the width of the design.
    """
    rows = [{"label": _keyed(i, label), "value": value} for i, (label, value) in enumerate(points)]
    return _draw("line", text, {"y": _of_values([value for _, value in points])}, width=width, rows=rows)


def short(label: str) -> str:
    """Shorten a label to MAX_LABEL characters by cutting its middle.

    The table next to the chart has the full label.
    """
    clean = " ".join(label.split())
    return clean if len(clean) <= MAX_LABEL else f"{clean[: MAX_LABEL - _TAIL - 1]}…{clean[-_TAIL:]}"


def xml_text(text: str) -> str:
    """Replace the characters that XML does not allow, such as NUL, because they would abort the process that draws."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def percent_format(largest: float, n_ticks: int) -> str:
    """Return the number format for shares up to `largest`, with enough decimals for distinct tick labels."""
    decimals = 0 if largest <= 0 else max(0, -math.floor(math.log10(largest / n_ticks)) - 2)
    return f".{decimals}%"


def _keyed(key: int, label: str) -> str:
    """Return the label with a five-character key in front, which the design does not show."""
    return f"{key:04d} {short(label)}"


def _of_time(axis: TimeAxis) -> AxisFill:
    ticks = [(_milliseconds(at), label) for at, label in axis.ticks]
    return AxisFill((_milliseconds(axis.low), _milliseconds(axis.high)), ticks)


def _of_values(values: Sequence[float]) -> AxisFill:
    """Return an axis that starts at 0 and has a range even if every value is 0."""
    largest = max(map(abs, values), default=0)
    is_small_count = 0 < largest <= MAX_COUNTED and all(isinstance(v, int) for v in values)
    # By default, Vega divides an axis from 0 to 1 row into fifths of a row.
    counts = [(float(n), str(n)) for n in range(int(largest) + 1)] if is_small_count else []
    return AxisFill(None if largest else (0.0, 1.0), counts)


def _milliseconds(at: Any) -> float:
    return float(at.timestamp() * 1000)


def _draw(
    name: str,
    text: ChartText,
    axes: Mapping[str, AxisFill] | None = None,
    *,
    width: int = 0,
    has_legend: bool = True,
    **data: Iterable[Mapping[str, Any]],
) -> str:
    """Return the SVG of a design, with its legends unless `has_legend` is False.

    `width` is the width of the plot in pixels. If it is 0, the plot has the width of the design.
    """
    import vl_convert

    spec = msgspec.json.decode(_compiled(name))
    if width:
        spec["width"] = width
    if not has_legend:
        spec.pop("legends", None)
    for scale, fill in (axes or {}).items():
        _fill_axis(spec, scale, fill)
    for source in spec["data"]:
        if source["name"] in data:
            source["values"] = [
                {key: xml_text(value) if isinstance(value, str) else value for key, value in row.items()}
                for row in data[source["name"]]
            ]
    return _with_text(vl_convert.vega_to_svg(spec), text)


def _fill_axis(spec: dict[str, Any], scale: str, fill: AxisFill) -> None:
    """Set the range of a scale in the compiled design and the ticks of its axes."""
    if fill.domain is not None:
        found = next(s for s in spec["scales"] if s["name"] == scale)
        found["domain"] = list(fill.domain)
    for axis in (a for a in spec["axes"] if a["scale"] == scale):
        if fill.ticks:
            axis["values"] = [position for position, _ in fill.ticks]
        if axis.get("labels", True) and fill.format:
            axis["format"] = fill.format
        if axis.get("labels", True) and fill.ticks:
            labels = msgspec.json.encode([label for _, label in fill.ticks]).decode()
            at = f"indexof({axis['values']}, toNumber(datum.value))"
            axis["encode"] = {"labels": {"update": {"text": {"signal": f"{labels}[{at}]"}}}}


@cache
def _compiled(name: str) -> bytes:
    whole = msgspec.json.decode(files("pmmds_core.reports").joinpath("templates/charts.compiled.json").read_bytes())
    return msgspec.json.encode(whole[name])


def _with_text(svg: str, text: ChartText) -> str:
    """Add a title, a description, a width and a height to Vega's SVG, and remove redundant attributes."""
    root = _ROOT.match(svg)
    if root is None:
        raise ValueError(f"not an SVG by Vega: {svg[:80]!r}")
    width, height, box = root.groups()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{text.key}-t {text.key}-d" '
        f'width="{width}" height="{height}" viewBox="{box}" font-size="11">'
        f'<title id="{text.key}-t">{html.escape(xml_text(text.title))}</title>'
        f'<desc id="{text.key}-d">{html.escape(xml_text(text.description))}</desc>'
    )
    return head + _TAG.sub(_shortened, _NOISE.sub("", svg[root.end() :]))


def _shortened(tag: re.Match[str]) -> str:
    """Round a tag's coordinates to a tenth of a pixel. Text between tags is not changed."""
    return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.1f}", _ATTRIBUTES.sub("", tag[0]))
