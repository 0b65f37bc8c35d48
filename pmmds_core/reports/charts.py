"""Charts as SVG to put into a page: the compiled designs filled with data and drawn by vl-convert.

Add a function for each design. Keep out: how a chart looks (chart_designs.py), pages and words.
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
# Vega wraps every mark in groups with invisible paths, and repeats what the root can say once: half of the file.
_NOISE = re.compile(r'<path class="(?:background|foreground)"[^>]*/>| pointer-events="none"')
_ATTRIBUTES = re.compile(
    r' class="[^"]*"| role="graphics-[^"]*"| aria-roledescription="[^"]*"| aria-hidden="true"| opacity="1"'
    r'| font-family="inherit"| font-size="11px"'
)
_TAG = re.compile("<[^>]+>")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")


@dataclass(frozen=True)
class Words:
    """What a screen reader says in place of a picture. `key`: unique in the page."""

    key: str
    title: str
    description: str


def histogram(words: Words, bins: Rows) -> str:
    """Bins: label, reference_share, current_share; those that are empty on both sides are left out."""
    rows = []
    for b in bins:
        if b["reference_share"] or b["current_share"]:
            label = short(str(b["label"]))
            sides = (("reference", b["reference_share"]), ("current", b["current_share"]))
            rows += [{"label": label, "side": side, "share": share or 0.0} for side, share in sides]
    return _draw("histogram", words, rows=_told_apart(rows, 2))


def heatmap(words: Words, cells: Rows) -> str:
    """Cells: feature, column, excess (None where too few rows were there to say)."""
    return _draw("heatmap", words, rows=[{**cell, "feature": short(cell["feature"])} for cell in cells])


def history(words: Words, points: Rows, threshold: float) -> str:
    """Points: at (aware instant), feature, psi; at most five features have a colour of their own."""
    rows = [{**p, "at": _milliseconds(p["at"]), "feature": short(p["feature"])} for p in points]
    return _draw("history", words, rows=rows, limits=[{"psi": threshold}])


def daily(words: Words, points: Rows) -> str:
    """Points: at (aware instant), value, low, high, what, is_valid."""
    return _draw("daily", words, rows=[{**p, "at": _milliseconds(p["at"])} for p in points])


def reliability(words: Words, rows: Rows) -> str:
    """Rows: mean_probability, positive_share, low, high."""
    return _draw("reliability", words, rows=rows, diagonal=[{"at": 0}, {"at": 1}])


def bars(words: Words, values: Mapping[str, float], threshold: float | None = None) -> str:
    """Horizontal bars, the largest first; those at or above the threshold have another color."""
    ordered = sorted(values.items(), key=lambda pair: -pair[1])
    rows = [
        {"label": short(label), "value": value, "over": threshold is not None and value >= threshold}
        for label, value in ordered
    ]
    limits = [] if threshold is None else [{"at": threshold}]
    return _draw("bars", words, rows=_told_apart(rows, 1), limits=limits)


def line(words: Words, points: Sequence[tuple[str, float]]) -> str:
    """Values by label, in the order given; equal labels remain separate points."""
    rows = [{"label": label, "value": value} for label, value in points]
    return _draw("line", words, rows=_told_apart(rows, 1))


def short(label: str) -> str:
    """A label that leaves room for the bars; the table beside the picture has all of it."""
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


def _told_apart(rows: list[dict[str, Any]], each: int) -> list[dict[str, Any]]:
    """Labels that were cut to the same text stay bars of their own: a zero-width space for every earlier one."""
    seen: dict[str, int] = {}
    for i in range(0, len(rows), each):
        label = rows[i]["label"]
        n = seen[label] = seen.get(label, -1) + 1
        for row in rows[i : i + each]:
            row["label"] = label + "\u200b" * n
    return rows


def _milliseconds(instant: Any) -> float:
    return float(instant.timestamp() * 1000)


def _draw(name: str, words: Words, **data: Iterable[Mapping[str, Any]]) -> str:
    import vl_convert

    spec = msgspec.json.decode(_compiled(name))
    for source in spec["data"]:
        if source["name"] in data:
            source["values"] = list(data[source["name"]])
    return _dressed(vl_convert.vega_to_svg(spec), words)


@cache
def _compiled(name: str) -> bytes:
    whole = msgspec.json.decode(files("pmmds_core.reports").joinpath("templates/charts.json").read_bytes())
    return msgspec.json.encode(whole[name])


def _dressed(svg: str, words: Words) -> str:
    """Vega's drawing with a title and a description, its natural size as the largest, and without what says nothing."""
    found = _ROOT.match(svg)
    if found is None:
        raise ValueError(f"not a drawing of Vega: {svg[:80]!r}")
    width, height, box = found.groups()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{words.key}-t {words.key}-d" '
        f'width="{width}" height="{height}" viewBox="{box}" font-size="11">'
        f'<title id="{words.key}-t">{html.escape(words.title)}</title>'
        f'<desc id="{words.key}-d">{html.escape(words.description)}</desc>'
    )
    return head + _TAG.sub(_lean, _NOISE.sub("", svg[found.end() :]))


def _lean(tag: re.Match[str]) -> str:
    """One tag with numbers of a tenth of a pixel; text between tags is left alone."""
    return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.1f}", _ATTRIBUTES.sub("", tag[0]))
