"""The small distribution charts have the right bars and one scale for both sides."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pmmds_core.reports.small_charts import HEIGHT, MAX_BINS, WIDTH, small_histogram


def bins(reference: list[float | None], current: list[float | None]) -> list[dict[str, Any]]:
    return [{"reference_share": r, "current_share": c} for r, c in zip(reference, current, strict=True)]


def bars(svg: str, side: str) -> list[tuple[float, float]]:
    """Return the left edge and the height of one side's bars in pixels."""
    (path,) = re.findall(rf'<path fill="var\(--{side}\)" d="([^"]*)"', svg)
    return [(float(x), float(h)) for x, h in re.findall(rf"M([\d.]+) {HEIGHT}v-([\d.]+)h", path)]


def test_heights_are_proportional_to_the_shares_of_both_sides() -> None:
    reference, current = [0.5, 0.3, 0.2], [0.25, 0.0, 0.75]
    svg = small_histogram("age", bins([*reference], [*current]))
    scale = HEIGHT / 0.75
    assert [h for _, h in bars(svg, "reference")] == pytest.approx([s * scale for s in reference], abs=0.05)
    assert [h for _, h in bars(svg, "current")] == pytest.approx([0.25 * scale, HEIGHT], abs=0.05)
    assert "Distribution of age" in svg


def test_bars_do_not_overlap_and_stay_in_the_chart() -> None:
    svg = small_histogram("age", bins([0.25] * 4, [0.25] * 4))
    (width,) = {float(w) for w in re.findall(r"h([\d.]+)V", svg)}
    edges = np.sort([x for side in ("reference", "current") for x, _ in bars(svg, side)])
    assert np.diff(edges).min() >= width - 0.1
    assert edges[-1] + width <= WIDTH


def test_empty_bins_and_a_side_without_rows_have_no_bars() -> None:
    svg = small_histogram("age", bins([0.6, 0.0, 0.4], [None, None, None]))
    assert len(bars(svg, "reference")) == 2
    assert bars(svg, "current") == []
    assert small_histogram("age", bins([0.0], [None])) == small_histogram("age", []) == ""


def test_of_many_bins_only_those_with_the_largest_shares_are_drawn() -> None:
    shares = np.random.default_rng(1).dirichlet(np.ones(60))
    svg = small_histogram("city", bins([float(s) for s in shares], [0.0] * 60))
    largest = shares[np.sort(np.argsort(-shares)[:MAX_BINS])]
    assert [h for _, h in bars(svg, "reference")] == pytest.approx(largest / largest.max() * HEIGHT, abs=0.06)


def test_the_name_of_a_feature_is_escaped() -> None:
    assert "<b" not in small_histogram('<b x="', bins([1.0], [1.0]))
