"""Charts for Dagster's metadata have the right bars, points, labels and colors."""

from __future__ import annotations

import base64
import re

import dagster as dg

from pmmds_assets.charts import bar_chart, line_chart, reliability_chart


def svg_of(chart: dg.MarkdownMetadataValue) -> str:
    encoded = re.search(r"\(data:image/svg\+xml;base64,([^)]+)\)", str(chart.value))
    assert encoded is not None
    return base64.b64decode(encoded[1]).decode()


def labels_of(chart: dg.MarkdownMetadataValue) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg_of(chart))


def test_bars_are_sorted_and_highlighted_above_the_threshold() -> None:
    chart = bar_chart("PSI by feature", {"low": 0.05, "none": None, "high": 0.31}, threshold=0.2, unit="PSI")
    assert [label for label in labels_of(chart) if label.isalpha()] == ["high", "low", "none"]
    fills = re.findall(r'<path[^>]* fill="([^"]+)"', svg_of(chart))
    assert (fills.count("var(--series-2)"), fills.count("var(--current)")) == (1, 2)


def test_a_line_chart_of_one_value_shows_a_labeled_point() -> None:
    chart = line_chart("Rows per hour", [("28 10:00", 5.0)], unit="rows")
    assert labels_of(chart).count("28 10:00") == 1
    assert 'fill="var(--current)"' in svg_of(chart)


def test_tick_labels_are_not_repeated() -> None:
    hours = [(f"{day:02} {hour:02}:00", 1.0) for day in (1, 2) for hour in range(24)]
    labels = labels_of(line_chart("Rows per hour", hours))
    assert len(labels) == len(set(labels)) <= 6 + 6


def test_colors_are_defined_in_the_image() -> None:
    rows = [{"mean_probability": 0.5, "positive_share": 0.5, "low": 0.4, "high": 0.6}]
    for chart in (reliability_chart("Calibration", rows), line_chart("Rows", [("1", 1.0)]), bar_chart("A", {"a": 1.0})):
        text = svg_of(chart)
        used = set(re.findall(r"var\((--[\w-]+)\)", text))
        assert used <= set(re.findall(r"(--[\w-]+):", text))
