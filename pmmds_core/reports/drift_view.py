"""Content of the drift report page: the sorted document with charts and text.

Not here: HTML (templates/), rendering charts (charts.py), measuring (drift/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from pmmds_core.drift.few_rows import has_enough_rows
from pmmds_core.profiling.bins import SCORE
from pmmds_core.reports import charts
from pmmds_core.reports.chart_designs import HEAT_STEPS
from pmmds_core.reports.drift_history import MIN_ROWS_A_CELL, PageContext, PastReport
from pmmds_core.reports.small_charts import small_histogram
from pmmds_core.runtime.plurals import counted
from pmmds_core.runtime.time_windows import HOUR
from pmmds_core.statistics.verdict import Verdict

# This keeps a page with 1,000 features under 1 MB. Only the most significant features have charts.
MAX_CHARTS = 100
MAX_HEAT_ROWS = 40
MAX_SERIES = 5

_RANK = {Verdict.DRIFTED: 0, Verdict.INSUFFICIENT_DATA: 1, Verdict.STABLE: 2}


@dataclass(frozen=True)
class HeatmapView:
    """The heatmap. `svg` is empty if no hour has enough rows."""

    svg: str
    text: str
    legend: tuple[str, ...]


@dataclass(frozen=True)
class HistoryView:
    """The chart of previous reports. `svg` is empty if there is only one report."""

    svg: str
    text: str
    reports: Sequence[PastReport]


@dataclass(frozen=True)
class ReportView:
    """The data for the template.

    The last of the `features` is the score. `charted` has the features with a chart.
    """

    verdict: str
    tone: str
    sentence: str
    n_reference: int
    n_current: int
    rules: list[dict[str, Any]]
    features: list[dict[str, Any]]
    charted: list[dict[str, Any]]
    n_uncharted: int
    score: dict[str, Any] | None
    segments: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    heatmap: HeatmapView | None
    history: HistoryView | None

    @property
    def verdict_text(self) -> str:
        return self.verdict.replace("_", " ")


def view_of(
    document: Mapping[str, Any], psi_threshold: float, context: PageContext, *, n_charts: int = MAX_CHARTS
) -> ReportView:
    """Return the page's content, without features if there are too few rows to compare.

    The score and the `n_charts` most significant features have a chart. Raises KeyError if the document lacks a key of
    `drift.policy.report_document`.
    """
    comparable = document["features"] if has_enough_rows(document) else []
    ordered = by_significance([_for_display(f, i) for i, f in enumerate(comparable)])
    features = [f for f in ordered if f["feature"] != SCORE]
    score = next((f for f in ordered if f["feature"] == SCORE), None)
    for f in (*features[:n_charts], *([score] if score else [])):
        f["svg"] = charts.histogram(_histogram_text(f), f["bins"])
    rules = _rules(document)
    return ReportView(
        verdict=document["verdict"],
        tone="moderate" if document["verdict"] == Verdict.STABLE and _dissenting(rules) else document["verdict"],
        sentence=_sentence(document, rules),
        n_reference=document["n_reference"],
        n_current=document["n_current"],
        rules=rules,
        features=ordered,
        charted=features[:n_charts],
        n_uncharted=max(0, len(features) - n_charts),
        score=score,
        segments=sorted(document["segments"], key=lambda s: (_RANK[s["verdict"]], s["feature"], s["value"])),
        pairs=list(document["pairs"]),
        heatmap=_heatmap(features, score, context),
        history=_history([f["feature"] for f in features], psi_threshold, context),
    )


def by_significance(features: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort by significance, then by PSI. Features that could not be compared come next, and the score is last."""

    def key(f: Mapping[str, Any]) -> tuple[bool, float, float]:
        p = f["q_value"] if f["q_value"] is not None else f["p_value"]
        return f["feature"] == SCORE, 2.0 if f["psi"] is None else 1.0 if p is None else p, -(f["psi"] or 0.0)

    return sorted(features, key=key)


def _for_display(feature: Mapping[str, Any], index: int) -> dict[str, Any]:
    title = "score" if feature["feature"] == SCORE else feature["feature"]
    return {
        **feature,
        "title": title,
        "key": f"f{index}",
        "svg": "",
        "small_svg": small_histogram(title, feature["bins"]),
        "moved": feature["statement"].removeprefix(f"{title}: "),
        "missing_or_unknown": _missing_or_unknown(feature),
        "shown_bins": [b for b in feature["bins"] if b["reference_share"] or b["current_share"]],
    }


def _missing_or_unknown(feature: Mapping[str, Any]) -> str:
    """Return the nonzero shares of missing, unseen, lost and out-of-range values as text."""
    before, now = feature["null_share_reference"] or 0.0, feature["null_share_current"] or 0.0
    shares = [f"missing {before:.1%} → {now:.1%}"] if before or now else []
    kinds = {"unseen": "unseen_share", "lost": "lost_share", "out of range": "out_of_range_share"}
    return "; ".join(shares + [f"{kind} {feature[key]:.1%}" for kind, key in kinds.items() if feature[key]]) or "–"


def _histogram_text(feature: Mapping[str, Any]) -> charts.ChartText:
    """Return a summary of the chart as text. The table below the chart has all numbers."""
    moved = "; ".join(
        f"{b['label']}: {b['reference_share'] or 0:.1%} to {b['current_share'] or 0:.1%}" for b in feature["moved_bins"]
    )
    unchanged = "No bin has changed." if feature["shown_bins"] else "No rows."
    return charts.ChartText(
        f"{feature['key']}-svg",
        f"Share of rows in each bin of {feature['title']}, reference and current",
        f"Largest changes: {moved}." if moved else unchanged,
    )


def _rules(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rules, with the rules that raise an alert first."""
    rules = [{**r, "alerts": r["rule"] in document["alert_rules"]} for r in document["rules"]]
    return sorted(rules, key=lambda r: not r["alerts"])


def _sentence(document: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdict with the first reason of each deciding rule. The table has all reasons."""
    verdict = document["verdict"]
    head = {
        Verdict.DRIFTED: "The data has drifted.",
        Verdict.STABLE: "No alerting rule detected drift.",
        Verdict.INSUFFICIENT_DATA: "Not evaluated: there are too few rows to detect drift.",
    }[verdict]
    deciding = [r for r in rules if r["alerts"] and r["verdict"] == verdict]
    sentences = [head, *(r["reasons"][0] for r in deciding if r["reasons"])]
    other = _dissenting(rules)
    if verdict != Verdict.DRIFTED and other:
        named = " and ".join([", ".join(other[:-1]), other[-1]] if len(other) > 1 else other)
        sentences.append(f"{named}, which {'raise' if len(other) > 1 else 'raises'} no alert, detected drift.")
    return " ".join(sentences)


def _dissenting(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the rules that detected drift but do not raise an alert."""
    return [r["rule"] for r in rules if not r["alerts"] and r["verdict"] == Verdict.DRIFTED]


def _heatmap(
    features: Sequence[dict[str, Any]], score: Mapping[str, Any] | None, context: PageContext
) -> HeatmapView | None:
    if not context.cells:
        return None
    shown = [f["feature"] for f in features[:MAX_HEAT_ROWS]] + ([SCORE] if score else [])
    titles = {**{name: name for name in shown}, SCORE: "score"}
    by_feature: dict[str, list[Any]] = {name: [] for name in shown}
    for cell in context.cells:
        if cell.feature in by_feature:
            by_feature[cell.feature].append(cell)
    starts = _columns({cell.start for cell in context.cells}, context.hours_a_cell)
    pattern = "%H:%M" if starts[0].date() == starts[-1].date() else "%d %b %H:%M"
    excess = {(cell.feature, cell.start): cell.excess for cell in context.cells}
    rows = [
        {"feature": titles[name], "column": f"{start:{pattern}}", "order": i, "excess": excess.get((name, start))}
        for i, start in enumerate(starts)
        for name in shown
    ]
    hottest = max((c for cells in by_feature.values() for c in cells if c.excess is not None), default=None, key=_heat)
    maximum = (
        "No hour has enough rows."
        if hottest is None
        else f"Maximum: {titles[hottest.feature]}, {hottest.excess:.2f}, from {hottest.start:%d %b %H:%M} UTC."
    )
    a_cell = counted(context.hours_a_cell, "hour")
    text = (
        f"Each cell covers {a_cell} of the window and shows the PSI above its expected value without drift. "
        f"Cells with fewer than {MIN_ROWS_A_CELL} rows are empty. {maximum}"
    )
    if len(features) > MAX_HEAT_ROWS:
        text += f" Only the {MAX_HEAT_ROWS} most significant features are shown."
    title = "PSI above chance by feature and hour"
    svg = charts.heatmap(charts.ChartText("heat", title, text), rows) if hottest else ""
    return HeatmapView(svg, text, _legend())


def _columns(starts: Collection[datetime], hours: int) -> list[datetime]:
    """Return every start between the first and the last start, including the starts of hours without rows."""
    first, last = min(starts), max(starts)
    return [first + i * hours * HOUR for i in range((last - first) // (hours * HOUR) + 1)]


def _heat(cell: Any) -> float:
    return float(cell.excess)


def _legend() -> tuple[str, ...]:
    inner = [f"{low:g}–{high:g}" for low, high in pairwise(HEAT_STEPS)]
    return (f"below {HEAT_STEPS[0]:g}", *inner, f"{HEAT_STEPS[-1]:g} and over")


def _history(ordered: Sequence[str], psi_threshold: float, context: PageContext) -> HistoryView | None:
    if not context.reports:
        return None
    if len(context.reports) == 1:
        return HistoryView("", "", context.reports)
    names = (ordered or _last_compared(context.reports))[:MAX_SERIES]
    # If a window has several reports, only the newest report is shown.
    newest = {report.window_end: report for report in reversed(context.reports)}
    points = [
        {"at": end, "feature": name, "psi": report.psi.get(name)}
        for name in names
        for end, report in sorted(newest.items())
    ]
    text = (
        f"PSI of the most significant features ({len(names)}) in the last {counted(len(context.reports), 'report')}; "
        f"values above the threshold {psi_threshold:g} are marked. Reports on too few rows have no point."
    )
    svg = charts.history(charts.ChartText("past", "PSI over past reports", text), points, psi_threshold)
    return HistoryView(svg, text, context.reports)


def _last_compared(reports: Sequence[PastReport]) -> list[str]:
    """Return the features of the newest report with enough rows, largest PSI first."""
    measured = ({f: v for f, v in r.psi.items() if v is not None and f != SCORE} for r in reports)
    psi = next(filter(None, measured), {})
    return sorted(psi, key=lambda name: -psi[name])
