"""Draws the small distribution chart in each row of the feature table.

It has neither axes nor labels, so it is written directly as SVG: drawing it takes microseconds, but rendering a chart
with Vega takes about 15 ms. Not here: charts with axes (charts.py).
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 96, 24
# A feature with more bins shows only those with the largest shares, because narrower bars are not legible.
MAX_BINS = 16
_GAP = 1.5
Bins = Sequence[Mapping[str, Any]]


def small_histogram(title: str, bins: Bins) -> str:
    """Return the SVG of the shares of rows by bin, with the reference to the left of the current data.

    Args:
        title: the name of the feature, for screen readers.
        bins: the bins in the order of the report, with `reference_share` and `current_share` from 0 to 1 or None.

    Returns:
        The SVG, in which both sides have the same scale. Empty if every share is 0 or None.
    """
    shown = _largest([b for b in bins if b["reference_share"] or b["current_share"]])
    largest = max((_share(b, side) for b in shown for side in ("reference", "current")), default=0.0)
    if not largest:
        return ""
    slot = WIDTH / len(shown)
    width = (slot - min(_GAP, slot / 4)) / 2
    heights = {side: [_share(b, side) / largest * HEIGHT for b in shown] for side in ("reference", "current")}
    return (
        f'<svg class="small" role="img" aria-label="Distribution of {html.escape(title)}" '
        f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<path fill="var(--reference)" d="{_bars(heights["reference"], slot, 0, width)}"/>'
        f'<path fill="var(--current)" d="{_bars(heights["current"], slot, width, width)}"/></svg>'
    )


def _largest(bins: Bins) -> Bins:
    """Return the MAX_BINS bins with the largest share on either side, in the given order."""
    by_share = sorted(range(len(bins)), key=lambda i: -max(_share(bins[i], "reference"), _share(bins[i], "current")))
    return [bins[i] for i in sorted(by_share[:MAX_BINS])]


def _share(bin_: Mapping[str, Any], side: str) -> float:
    return float(bin_[f"{side}_share"] or 0.0)


def _bars(heights: Sequence[float], slot: float, offset: float, width: float) -> str:
    """Return the path of one side's bars, which stand on the lower edge of the chart. Bars without height are omitted.

    All sizes are in pixels.
    """
    return "".join(
        f"M{i * slot + offset:.1f} {HEIGHT}v-{height:.1f}h{width:.1f}V{HEIGHT}z"
        for i, height in enumerate(heights)
        if height
    )
