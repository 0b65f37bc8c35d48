"""Altair designs of the charts, without data.

`python -m pmmds_core.reports.chart_designs` compiles them to templates/charts.compiled.json.

Add a chart here and compile it. Not here: data and rendering (charts.py), which do not need Altair.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

COMPILED = Path(__file__).parent / "templates" / "charts.compiled.json"
# Colors are CSS variables and currentColor, so that charts follow the page's light or dark scheme.
_INK, _LINE = "currentColor", "var(--line)"
_DASHES = [[1, 0], [7, 2], [3, 2], [7, 2, 2, 2], [1, 2]]
_SERIES = [f"var(--series-{i})" for i in range(1, 6)]
# The steps of the heatmap, which shows the PSI above chance, are the bands in drift/comparison.py and one step below
# the bands.
HEAT_STEPS = (0.05, 0.1, 0.2, 0.25)
# The width in pixels to the left of the plot, which aligns the time axes of charts placed above each other.
_EXTENT = 80
# The color of the markers of values beyond a threshold. They also have a shape of their own.
_ALERT = "var(--bad)"
HEAT_COLORS = tuple(f"var(--heat-{i})" for i in range(len(HEAT_STEPS) + 1))


# Each label starts with a unique five-character key, so that equal labels remain separate bars, rows or lines.
_LABEL = "slice(datum.label, 5)"


def designs() -> dict[str, alt.TopLevelMixin]:
    """Return all charts by name. Each chart reads the data sets that charts.py provides."""
    return {
        "histogram": _histogram(),
        "heatmap": _heatmap(),
        "history": _history(),
        "daily": _daily(),
        "events": _events(),
        "reliability": _reliability(),
        "bars": _bars(),
        "line": _line(),
    }


def compile_designs() -> dict[str, Any]:
    """Compile Vega specifications.

    Not called at run time, because importing Altair and compiling take over a second.
    """
    import vl_convert

    return {name: vl_convert.vegalite_to_vega(chart.to_dict()) for name, chart in designs().items()}


def to_text(compiled: Mapping[str, Any]) -> str:
    return json.dumps(compiled, indent=1, sort_keys=True) + "\n"


def _plain(chart: Any) -> Any:
    """Apply the common configuration.

    Charts have no background, use the font and color of the page, and show only the title and the description to screen
    readers. `labelLimit=0` disables truncation, which would double the rendering time, because Vega measures each label
    several times.
    """
    return (
        chart.configure(background="none", font="inherit", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK,
            titleColor=_INK,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            labelLimit=0,
            gridColor=_LINE,
            domainColor=_LINE,
            tickColor=_LINE,
            aria=False,
        )
        .configure_legend(
            orient="bottom", columns=2, labelColor=_INK, labelFontSize=11, labelLimit=0, titleColor=_INK, aria=False
        )
        .configure_mark(aria=False)
    )


def _histogram() -> Any:
    """Return a histogram of the share of rows in each bin, with the reference above the current data.

    The rows have label (keyed), side and share.
    """
    import altair as alt

    side = alt.Scale(domain=["reference", "current"], range=["var(--reference)", "var(--current)"])
    across = alt.Axis(format=".0%", tickCount=3, ticks=False, domain=False, labelOverlap=False, labelFlush=False)
    base = alt.Chart(alt.NamedData("rows"), width=180, height=alt.Step(9))
    return _plain(
        base.mark_bar().encode(
            x=alt.X("share:Q", title=None, axis=across),
            y=alt.Y("label:N", sort=None, title=None, axis=_names()),
            yOffset=alt.YOffset("side:N", sort=None),
            color=alt.Color("side:N", scale=side, legend=None),
        )
    )


def _heatmap() -> Any:
    """Return a heatmap with a cell for each feature and time range.

    The rows have feature and column (both keyed) and excess, which is null if there are too few rows.
    """
    import altair as alt

    scale = alt.Scale(type="threshold", domain=list(HEAT_STEPS), range=list(HEAT_COLORS))
    # Vega positions a label at a fraction of the length of the axis.
    position = "round(datum.index * (domain('x').length - 1))"
    every_few = f"{position} % max(6, ceil(domain('x').length / 4)) == 0 ? {_LABEL} : ''"
    axis = alt.Axis(labelAngle=0, labelExpr=every_few, ticks=False, domain=False, labelOverlap=False)
    place = {
        "x": alt.X("column:O", sort=None, title=None, axis=axis),
        "y": alt.Y("feature:N", sort=None, title=None, axis=_names()),
    }
    base = alt.Chart(alt.NamedData("rows"), width=alt.Step(13), height=alt.Step(17))
    empty = base.mark_rect(fill="none", stroke="var(--line)", strokeWidth=0.5).encode(**place)
    color = alt.Color("excess:Q", scale=scale, legend=None)
    cells = base.transform_filter("isValid(datum.excess)").mark_rect(stroke="var(--page)", strokeWidth=1)
    return _plain(alt.layer(empty, cells.encode(**place, color=color)))


def _names() -> alt.Axis:
    """Return a vertical axis of keyed names."""
    import altair as alt

    return alt.Axis(ticks=False, domain=False, labelOverlap=False, labelExpr=_LABEL)


def _when() -> alt.X:
    """Return a time axis whose range and ticks are filled in by charts.py."""
    import altair as alt

    axis = alt.Axis(grid=False, labelOverlap=False, labelFlush=False)
    return alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def _history() -> Any:
    """Return a line chart of the PSI in past reports, with one line per feature.

    The rows have at (ms), feature (keyed), psi and over, which is True above the threshold. The limits have psi,
    which is the threshold, and label.
    """
    import altair as alt

    # Each line also has its own dash pattern, for readers who cannot distinguish five colors.
    legend = alt.Legend(labelExpr=_LABEL)
    color = alt.Color("feature:N", sort=None, title=None, scale=alt.Scale(range=_SERIES), legend=legend)
    axis = alt.Axis(tickCount=5, minExtent=_EXTENT, maxExtent=_EXTENT)
    placed = alt.Chart(alt.NamedData("rows")).encode(x=_when(), y=alt.Y("psi:Q", title="PSI", axis=axis))
    base = placed.encode(color=color)
    dash = alt.StrokeDash("feature:N", sort=None, legend=None, scale=alt.Scale(range=_DASHES))
    lines = base.mark_line(strokeWidth=1.8).encode(strokeDash=dash)
    points = base.mark_point(size=20, opacity=1)
    markers = placed.transform_filter("datum.over").mark_point(
        filled=True, shape="diamond", size=70, opacity=1, color=_ALERT
    )
    return _plain(alt.layer(lines, points, *_limits("psi"), markers).properties(width=520, height=200))


def _limits(field: str) -> list[Any]:
    """Return dashed lines at the thresholds, which have the field and label. Each label is to the right of its line."""
    import altair as alt

    base = alt.Chart(alt.NamedData("limits")).encode(y=f"{field}:Q")
    line = base.mark_rule(strokeDash=[5, 4], stroke=_INK)
    text = base.mark_text(align="left", baseline="middle", dx=6, fontSize=11, color=_INK)
    return [line, text.encode(x=alt.value("width"), text="label:N")]


def _daily() -> Any:
    """Return a chart of a daily metric with its interval, drawn over the wide, pale interval of its estimate.

    The rows have at (ms), value, low, high, what, is_beyond, and the sizes stroke, size (pixels), pale and opacity
    (0-1). The limits have value and label. A marker surrounds the points that are beyond a limit.
    """
    import altair as alt

    kinds = ["realized", "estimated (CBPE)"]
    color = alt.Color("what:N", scale=alt.Scale(domain=kinds, range=["var(--current)", "var(--series-2)"]), title=None)
    shape = alt.Shape("what:N", scale=alt.Scale(domain=kinds, range=["circle", "diamond"]), title=None)
    axis = alt.Axis(tickCount=5, minExtent=_EXTENT, maxExtent=_EXTENT)
    y = alt.Y("value:Q", title="ROC-AUC", scale=alt.Scale(zero=False, nice=True), axis=axis)
    base = alt.Chart(alt.NamedData("rows"))
    bars = base.mark_rule().encode(
        x=_when(),
        y=alt.Y("low:Q", title="ROC-AUC", scale=alt.Scale(zero=False), axis=axis),
        y2="high:Q",
        color=color,
        strokeWidth=alt.StrokeWidth("stroke:Q", scale=None, legend=None),
        opacity=alt.Opacity("pale:Q", scale=None, legend=None),
    )
    points = base.mark_point(filled=True).encode(
        x=_when(),
        y=y,
        color=color,
        shape=shape,
        size=alt.Size("size:Q", scale=None, legend=None),
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
    )
    beyond = base.transform_filter("datum.is_beyond").encode(x=_when(), y=y)
    markers = beyond.mark_point(shape="diamond", size=150, strokeWidth=2, opacity=1, color=_ALERT)
    return _plain(alt.layer(bars, points, *_limits("value"), markers).properties(width=520, height=220))


def _events() -> Any:
    """Return a chart of events with one lane per kind, on the same time axis as `daily`.

    The rows have at (ms), lane (keyed) and tone.
    """
    import altair as alt

    tones = alt.Scale(domain=["good", "bad", "quiet"], range=["var(--good)", "var(--bad)", "var(--quiet)"])
    axis = alt.Axis(
        ticks=False, domain=False, grid=True, labelExpr="slice(datum.label, 5)", minExtent=_EXTENT, maxExtent=_EXTENT
    )
    base = alt.Chart(alt.NamedData("rows"), width=520, height=alt.Step(20))
    return _plain(
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=_when(),
            y=alt.Y("lane:N", sort=None, title="Events", axis=axis),
            color=alt.Color("tone:N", scale=tones, legend=None),
            shape=alt.Shape(
                "tone:N",
                scale=alt.Scale(domain=["good", "bad", "quiet"], range=["triangle-up", "diamond", "circle"]),
                legend=None,
            ),
        )
    )


def _reliability() -> Any:
    """Return a calibration chart, which compares the mean probability with the observed share.

    The rows have mean_probability, positive_share, low and high. The diagonal has at.
    """
    import altair as alt

    unit = alt.Scale(domain=[0, 1])
    percent = alt.Axis(format=".0%", tickCount=5, labelOverlap=False, labelFlush=False)
    base = alt.Chart(alt.NamedData("rows")).encode(
        x=alt.X("mean_probability:Q", scale=unit, title="mean probability", axis=percent)
    )
    y = alt.Y("positive_share:Q", scale=unit, title="observed share", axis=percent)
    bars = base.mark_rule(strokeWidth=1.4, color="var(--current)").encode(
        y=alt.Y("low:Q", scale=unit, title="observed share"), y2="high:Q"
    )
    points = base.mark_point(filled=True, size=40, color="var(--current)").encode(y=y)
    perfect = (
        alt.Chart(alt.NamedData("diagonal"))
        .mark_line(strokeDash=[5, 4], strokeWidth=1, stroke=_INK)
        .encode(x=alt.X("at:Q", scale=unit), y=alt.Y("at:Q", scale=unit))
    )
    return _plain(alt.layer(perfect, bars, points).properties(width=260, height=260))


def _bars() -> Any:
    """Return a chart of horizontal bars in the order of the rows.

    The rows have label (keyed), value and over, which is True at or above the threshold. The limits have at.
    """
    import altair as alt

    color = alt.Scale(domain=[False, True], range=["var(--current)", "var(--series-2)"])
    base = alt.Chart(alt.NamedData("rows"), width=420, height=alt.Step(18)).mark_bar(height=11)
    bars = base.encode(
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=5, labelOverlap="greedy")),
        y=alt.Y("label:N", sort=None, title=None, axis=_names()),
        color=alt.Color("over:N", scale=color, legend=None),
    )
    limit = alt.Chart(alt.NamedData("limits")).mark_rule(strokeDash=[5, 4], stroke=_INK).encode(x="at:Q")
    return _plain(alt.layer(bars, limit))


def _line() -> Any:
    """Return a line chart of values by ordered label.

    A point marks each value, so that a single value is visible. The rows have label (keyed) and value.
    """
    import altair as alt

    position = "round(datum.index * (domain('x').length - 1))"
    at_most_six = f"{position} % ceil(domain('x').length / 6) == 0 ? {_LABEL} : ''"
    # Padding separates the first label from the 0 of the vertical axis.
    axis = alt.Axis(
        labelAngle=0, labelExpr=at_most_six, ticks=False, labelOverlap="greedy", labelFlush=False, labelPadding=8
    )
    line = alt.MarkConfig(filled=True, size=30, color="var(--current)")
    base = alt.Chart(alt.NamedData("rows"), width=420, height=150)
    return _plain(
        base.mark_line(strokeWidth=1.8, color="var(--current)", point=line.to_dict()).encode(
            x=alt.X("label:O", sort=None, title=None, axis=axis),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=5)),
        )
    )


if __name__ == "__main__":
    COMPILED.write_text(to_text(compile_designs()), encoding="utf-8")
