"""What a drift report's page shows: the document put in order, completed and given its pictures and words.

Stored reports of earlier versions lack some keys: they are filled here and nowhere else. Keep out: HTML, drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pmmds_core.profiling.bins import SCORE
from pmmds_core.reports import charts
from pmmds_core.reports.chart_designs import HEAT_STEPS
from pmmds_core.reports.drift_history import MIN_ROWS_A_CELL, PageContext, PastReport
from pmmds_core.statistics.verdict import Verdict

# A page of a thousand features stays under a megabyte; the least surprising ones are in the table only.
MAX_PICTURES = 100
MAX_HEAT_ROWS = 40
MAX_SERIES = 5
_OPTIONAL = ("q_value", "p_value", "psi_expected_by_chance", "lost_share", "out_of_range_share", "unseen_share")
_RANK = {Verdict.DRIFTED: 0, Verdict.INSUFFICIENT_DATA: 1, Verdict.STABLE: 2}


@dataclass(frozen=True)
class HeatmapView:
    svg: str
    words: str
    legend: tuple[str, ...]


@dataclass(frozen=True)
class HistoryView:
    """`svg` is empty where there is only one report."""

    svg: str
    words: str
    reports: Sequence[PastReport]


@dataclass(frozen=True)
class ReportView:
    """Everything the template asks for, with no key missing. `features`: the score last; `drawn`: with a picture."""

    verdict: str
    tone: str
    sentence: str
    n_reference: int
    n_current: int
    rules: list[dict[str, Any]]
    features: list[dict[str, Any]]
    drawn: list[dict[str, Any]]
    n_undrawn: int
    score: dict[str, Any] | None
    has_q: bool
    has_statements: bool
    segments: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    heatmap: HeatmapView | None
    history: HistoryView | None

    @property
    def verdict_words(self) -> str:
        return self.verdict.replace("_", " ")


def view_of(document: Mapping[str, Any], psi_threshold: float, context: PageContext) -> ReportView:
    """The page's content. Raises KeyError only where a document lacks what every version of it has."""
    ordered = by_surprise([_completed(f, i) for i, f in enumerate(document["features"])])
    own = [f for f in ordered if f["feature"] != SCORE]
    score = next((f for f in ordered if f["feature"] == SCORE), None)
    for f in (*own[:MAX_PICTURES], *([score] if score else [])):
        f["svg"] = charts.histogram(_histogram_words(f), f["bins"])
    rules = _rules(document)
    return ReportView(
        verdict=document["verdict"],
        tone="moderate" if document["verdict"] == Verdict.STABLE and _dissenting(rules) else document["verdict"],
        sentence=_sentence(document, rules),
        n_reference=document["n_reference"],
        n_current=document["n_current"],
        rules=rules,
        features=ordered,
        drawn=own[:MAX_PICTURES],
        n_undrawn=max(0, len(own) - MAX_PICTURES),
        score=score,
        has_q=any(f["q_value"] is not None for f in own),
        has_statements=any(f["statement"] for f in ordered),
        segments=sorted(document.get("segments") or [], key=lambda s: (_RANK[s["verdict"]], s["feature"], s["value"])),
        pairs=list(document.get("pairs") or []),
        heatmap=_heatmap(own, score, context),
        history=_history(own, psi_threshold, context),
    )


def by_surprise(features: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Least likely by chance first, then the largest PSI; what could not be compared next, the score last."""

    def key(f: Mapping[str, Any]) -> tuple[bool, float, float]:
        chance = f["q_value"] if f["q_value"] is not None else f["p_value"]
        return f["feature"] == SCORE, 2.0 if f["psi"] is None else 1.0 if chance is None else chance, -(f["psi"] or 0.0)

    return sorted(features, key=key)


def _completed(feature: Mapping[str, Any], index: int) -> dict[str, Any]:
    whole = {**dict.fromkeys(_OPTIONAL), "statement": "", **feature}
    title = "score" if whole["feature"] == SCORE else whole["feature"]
    return {
        **whole,
        "title": title,
        "key": f"f{index}",
        "svg": "",
        "moved": whole["statement"].removeprefix(f"{title}: "),
        "oddities": _oddities(whole),
        "shown_bins": [b for b in whole["bins"] if b["reference_share"] or b["current_share"]],
    }


def _oddities(feature: Mapping[str, Any]) -> str:
    """Shares of rows that no ordinary bin holds, where there are any."""
    before, now = feature["null_share_reference"] or 0.0, feature["null_share_current"] or 0.0
    told = [f"missing {before:.1%} → {now:.1%}"] if before or now else []
    kinds = {"unseen": "unseen_share", "lost": "lost_share", "out of range": "out_of_range_share"}
    return "; ".join(told + [f"{word} {feature[key]:.1%}" for word, key in kinds.items() if feature[key]]) or "–"


def _histogram_words(feature: Mapping[str, Any]) -> charts.Words:
    """The numbers are in the table under the picture; here is what one sees at a glance."""
    moved = feature.get("moved_bins") or sorted(
        feature["shown_bins"], key=lambda b: -abs((b["current_share"] or 0.0) - (b["reference_share"] or 0.0))
    )
    told = "; ".join(
        f"{b['label']}: {b['reference_share'] or 0:.1%} to {b['current_share'] or 0:.1%}" for b in moved[:3]
    )
    return charts.Words(
        f"{feature['key']}-svg",
        f"Shares of rows by bin of {feature['title']}, reference and current",
        f"Moved most: {told}." if told else "No rows.",
    )


def _rules(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rules that raise an alert first. A document that does not name them has only such."""
    alerting = document.get("alert_rules")
    rules = [{**r, "alerts": alerting is None or r["rule"] in alerting} for r in document["rules"]]
    return sorted(rules, key=lambda r: not r["alerts"])


def _sentence(document: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> str:
    """The verdict in a sentence, with the first reason of each rule that decided it; the rest is in the table."""
    verdict = document["verdict"]
    head = {
        Verdict.DRIFTED: "The data has drifted.",
        Verdict.STABLE: "No drift that a rule would raise an alert for.",
        Verdict.INSUFFICIENT_DATA: "Not judged: nobody can say from these rows whether there is drift.",
    }[verdict]
    deciding = [r for r in rules if r["alerts"] and r["verdict"] == verdict]
    told = [head, *(r["reasons"][0] for r in deciding if r["reasons"])]
    other = _dissenting(rules)
    if verdict != Verdict.DRIFTED and other:
        named = " and ".join([", ".join(other[:-1]), other[-1]] if len(other) > 1 else other)
        told.append(f"{named}, which {'raise' if len(other) > 1 else 'raises'} no alert, found drift.")
    return " ".join(told)


def _dissenting(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rules that raise no alert and found drift."""
    return [r["rule"] for r in rules if not r["alerts"] and r["verdict"] == Verdict.DRIFTED]


def _heatmap(
    own: Sequence[dict[str, Any]], score: Mapping[str, Any] | None, context: PageContext
) -> HeatmapView | None:
    if not context.cells:
        return None
    shown = [f["feature"] for f in own[:MAX_HEAT_ROWS]] + ([SCORE] if score else [])
    titles = {**{name: name for name in shown}, SCORE: "score"}
    by_feature: dict[str, list[Any]] = {name: [] for name in shown}
    for cell in context.cells:
        if cell.feature in by_feature:
            by_feature[cell.feature].append(cell)
    one_day = len({cell.start.date() for cell in context.cells}) == 1
    starts = {start: i for i, start in enumerate(sorted({cell.start for cell in context.cells}))}
    rows = [
        {
            "feature": titles[name],
            "column": f"{cell.start:%H:%M}" if one_day else f"{cell.start:%d %b %H:%M}",
            "order": starts[cell.start],
            "excess": cell.excess,
        }
        for name in shown
        for cell in by_feature[name]
    ]
    rows.sort(key=lambda row: row["order"])  # columns stand in the order in which they first come
    hottest = max((c for cells in by_feature.values() for c in cells if c.excess is not None), default=None, key=_heat)
    told = (
        "No hour has enough rows to say."
        if hottest is None
        else f"The largest: {titles[hottest.feature]}, {hottest.excess:.2f}, from {hottest.start:%d %b %H:%M} UTC."
    )
    a_cell = "an hour" if context.hours_a_cell == 1 else f"{context.hours_a_cell} hours"
    words = (
        f"Each cell is {a_cell} of the window, and the PSI beyond what chance alone gives for its rows. "
        f"Cells with fewer than {MIN_ROWS_A_CELL} rows are left empty. {told}"
    )
    if len(own) > MAX_HEAT_ROWS:
        words += f" The {MAX_HEAT_ROWS} most surprising features are shown."
    svg = charts.heatmap(charts.Words("heat", "PSI beyond chance by feature and hour", words), rows)
    return HeatmapView(svg, words, _legend())


def _heat(cell: Any) -> float:
    return float(cell.excess)


def _legend() -> tuple[str, ...]:
    inner = [f"{low:g}–{high:g}" for low, high in pairwise(HEAT_STEPS)]
    return (f"below {HEAT_STEPS[0]:g}", *inner, f"{HEAT_STEPS[-1]:g} and over")


def _history(own: Sequence[Mapping[str, Any]], psi_threshold: float, context: PageContext) -> HistoryView | None:
    if not context.reports:
        return None
    if len(context.reports) == 1:
        return HistoryView("", "", context.reports)
    names = [f["feature"] for f in own[:MAX_SERIES]]
    points = [
        {"at": report.window_end, "feature": name, "psi": report.psi[name]}
        for name in names
        for report in reversed(context.reports)
        if report.psi.get(name) is not None
    ]
    words = (
        f"PSI of the {len(names)} most surprising features in the last {len(context.reports)} reports; "
        f"the dashed line is the threshold {psi_threshold:g}."
    )
    svg = charts.history(charts.Words("past", "PSI over past reports", words), points, psi_threshold) if points else ""
    return HistoryView(svg, words, context.reports)
