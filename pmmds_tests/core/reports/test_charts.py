"""The SVG of charts with no, one, two and many points, equal values, gaps and long names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pmmds_core.reports import charts
from pmmds_core.reports.charts import ChartText

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
TEXT = ChartText("c", "title", "description")
FEATURES = [f"a_very_long_feature_name_that_differs_at_its_end_{i}" for i in range(5)]


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def dates(svg: str) -> list[str]:
    return [t for t in texts(svg) if re.fullmatch(r"\d\d \w{3}( \d{4}| \d\d:\d\d)?|\w{3} \d{4}", t)]


def of_days(*before: int, value: float | None = None) -> list[dict[str, Any]]:
    """Return a realized and an estimated point for each day."""
    points = []
    for n in before:
        v = 0.7 + 0.001 * n if value is None else value
        half = 0.0 if value is not None else 0.02
        both = {"at": NOON - timedelta(days=n), "value": v, "low": v - half, "high": v + half, "is_valid": True}
        points += [{**both, "what": "realized"}, {**both, "what": "estimated (CBPE)"}]
    return points


def horizontal(svg: str, color: str) -> list[float]:
    """Return the x positions, in pixels, of the point marks with this fill color."""
    pattern = rf'<path transform="translate\(([\d.]+),[\d.]+\)"[^>]*fill="var\(--{color}\)"'
    return [float(x) for x in re.findall(pattern, svg)]


def test_a_single_day_has_one_label_and_both_points_in_the_middle() -> None:
    svg = charts.daily(TEXT, of_days(0))
    assert dates(svg) == ["28 Nov"]
    realized, estimated = horizontal(svg, "current")[0], horizontal(svg, "series-2")[0]
    assert realized == estimated == pytest.approx(260)


@pytest.mark.parametrize("before", [(1, 0), (2, 1, 0), (30, 29, 3, 0), range(14), range(30), range(400)])
def test_points_of_a_day_share_a_position_and_labels_are_unique(before: Sequence[int]) -> None:
    svg = charts.daily(TEXT, of_days(*sorted(before, reverse=True)))
    shown = dates(svg)
    assert len(set(shown)) == len(shown) > 1
    n = len(before)
    realized, estimated = horizontal(svg, "current")[:n], horizontal(svg, "series-2")[:n]
    assert realized == estimated
    span = np.ptp(sorted(before))
    steps = np.diff(realized) / (realized[-1] - realized[0])
    assert steps == pytest.approx(-np.diff(sorted(before, reverse=True)) / span, abs=0.002), (
        "distances between points are to scale, including gaps"
    )
    assert min(realized) > 0
    assert max(realized) < 520


def test_the_axis_of_equal_values_is_labeled_with_that_value() -> None:
    labels = [float(t) for t in texts(charts.daily(TEXT, of_days(1, 0, value=0.8))) if re.fullmatch(r"0\.\d+", t)]
    assert 0.8 in labels
    assert len(set(labels)) == len(labels) > 1


def test_no_chart_is_drawn_without_points() -> None:
    assert charts.daily(TEXT, []) == charts.history(TEXT, [], 0.2) == ""


def test_features_with_a_common_prefix_are_drawn_separately() -> None:
    points = [{"at": NOON - timedelta(hours=h), "feature": f, "psi": 0.1} for f in FEATURES for h in (1, 0)]
    cells = [{"feature": f, "column": "12:00", "order": 0, "excess": 0.1} for f in FEATURES]
    drawn = (
        charts.history(TEXT, points, 0.2),
        charts.heatmap(TEXT, cells),
        charts.bars(TEXT, dict.fromkeys(FEATURES, 0.1)),
        charts.histogram(TEXT, [{"label": f, "reference_share": 0.2, "current_share": 0.2} for f in FEATURES]),
    )
    for svg in drawn:
        names = [t for t in texts(svg) if "…" in t]
        assert len(set(names)) == len(FEATURES) == len(names)
        assert {n[-1] for n in names} == set("01234")


def test_a_line_has_a_gap_where_a_report_had_too_few_rows() -> None:
    psi = [0.1, 0.2, None, 0.3, 0.1]
    points = [{"at": NOON + timedelta(hours=h), "feature": "age", "psi": v} for h, v in enumerate(psi)]
    (line,) = re.findall(r'<path d="([^"]+)"[^>]*stroke-width="1.8"', charts.history(TEXT, points, 0.2))
    assert line.count("M") == 2


@pytest.mark.parametrize("largest", [1.0, 0.5, 0.1, 0.03, 0.01, 0.004, 0.0007])
def test_percent_labels_distinguish_small_shares(largest: float) -> None:
    bins = [{"label": "a", "reference_share": largest, "current_share": largest / 2}]
    labels = [t for t in texts(charts.histogram(TEXT, bins)) if t.endswith("%")]
    assert len(set(labels)) == len(labels) > 1


def test_an_hour_with_too_few_rows_is_an_empty_heatmap_column() -> None:
    cells = [
        {"feature": "age", "column": f"{h}:00", "order": h, "excess": None if h in (1, 2) else 0.3} for h in range(4)
    ]
    svg = charts.heatmap(TEXT, cells)
    assert svg.count('fill="var(--heat-4)"') == 2
    assert svg.count('fill="none"') >= 4
    assert not re.search(r'fill="var\(--heat-[0-3]\)"', svg)


def test_axes_of_counts_have_no_fractional_labels() -> None:
    assert not [t for t in texts(charts.line(TEXT, [("13:00", 1)])) if re.fullmatch(r"\d+\.\d+", t)]
    assert not [t for t in texts(charts.bars(TEXT, {"v1": 1})) if re.fullmatch(r"\d+\.\d+", t)]


@pytest.mark.parametrize("values", [{}, {"a": 0.0}, {"a": 0.0, "b": 0.0}])
def test_axes_start_at_zero_if_there_are_no_values_or_only_zeros(values: dict[str, float]) -> None:
    for svg in (charts.bars(TEXT, values), charts.line(TEXT, list(values.items()))):
        numbers = [float(t) for t in texts(svg) if re.fullmatch(r"[\d.]+", t)]
        assert min(numbers) == 0
        assert len(set(numbers)) == len(numbers) > 1


def markers(svg: str) -> int:
    """Return the number of marks in the color of alerts."""
    return len(re.findall(r'<path transform[^>]*(?:fill|stroke)="var\(--bad\)"', svg))


def test_values_above_the_threshold_have_a_marker_and_the_threshold_a_label() -> None:
    psi = [0.1, 0.2, None, 0.3, 0.21]
    points = [{"at": NOON + timedelta(hours=h), "feature": "age", "psi": v} for h, v in enumerate(psi)]
    svg = charts.history(TEXT, points, 0.2)
    assert markers(svg) == 2
    assert "threshold 0.2" in texts(svg)
    assert markers(charts.history(TEXT, points, 0.5)) == 0


def test_only_a_chart_of_several_features_has_a_legend() -> None:
    points = [{"at": NOON - timedelta(hours=h), "feature": f, "psi": 0.1} for f in ("age", "plan") for h in (1, 0)]
    assert {"age", "plan"} <= set(texts(charts.history(TEXT, points, 0.2)))
    assert "age" not in texts(charts.history(TEXT, points[:2], 0.2))


def test_days_beyond_a_limit_have_a_marker_and_the_limit_is_in_the_range() -> None:
    points = [{**p, "is_beyond": p["what"] == "realized" and i < 2} for i, p in enumerate(of_days(2, 1, 0))]
    svg = charts.daily(TEXT, points, limits=[charts.Limit(0.5, "v1: holdout")])
    assert markers(svg) == 1
    assert "v1: holdout" in texts(svg)
    assert min(float(t) for t in texts(svg) if re.fullmatch(r"0\.\d+", t)) <= 0.5
    assert markers(charts.daily(TEXT, of_days(2, 1, 0))) == 0


def test_characters_that_xml_does_not_allow_do_not_abort_the_process() -> None:
    program = (
        "from pmmds_core.reports import charts\n"
        "text = charts.ChartText('k', 'title \\x01', 'text \\x02')\n"
        "bins = [{'label': label, 'reference_share': 0.5, 'current_share': 0.2} for label in ('a\\x07b', 'c\\x00d')]\n"
        "print(charts.histogram(text, bins), charts.bars(text, {'e\\x1bf': 1.0}))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr[:300]
    for shown in ("title \ufffd", "text \ufffd", "a\ufffdb", "c\ufffdd", "e\ufffdf"):
        assert shown in said.stdout
    assert not set("\x00\x01\x02\x07\x1b") & set(said.stdout)
