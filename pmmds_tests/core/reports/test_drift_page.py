"""The drift report page is self-contained, small, and accessible to screen readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.drift.comparison import compare, psi, psi_expected_by_chance
from pmmds_core.drift.policy import DriftRule, judge, report_document
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.reports.chart_designs import COMPILED, compile_designs, to_text
from pmmds_core.reports.drift_history import HeatCell, PageContext, PastReport, heat_cells, hours_a_cell
from pmmds_core.reports.drift_page import FilesHead, PageHead, render_page
from pmmds_core.reports.drift_view import by_significance
from pmmds_tests.harness.prediction_records import columns_of, make_records

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEAD = PageHead("churn-classifier", "3", NOW - timedelta(hours=24), NOW, 0.2, NOW)
VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """The parsed tags of a page with their attributes, in document order."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    assert page.open_tags == []
    return page


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    records = make_records(contract, 400, seed=1)
    return fit_profile(contract, columns_of(contract, records), np.array([r.probability for r in records]))


@pytest.fixture(scope="module")
def document(profile: ReferenceProfile) -> dict[str, Any]:
    """Return a report in which every row is in the first bin of each feature."""
    moved = {f.bins.feature: np.array([300] + [0] * (f.bins.n_bins - 1)) for f in profile.with_score}
    features = compare(profile, moved, 300)
    return report_document(profile, features, 300, judge(features, 10_000, 300, DriftRule(0.2, 3, 100)))


def context_of(names: Sequence[str]) -> PageContext:
    starts = [NOW - timedelta(hours=h) for h in range(24, 0, -1)]
    cells = [HeatCell(name, start, None if i == 3 else 0.02 * i) for name in names for i, start in enumerate(starts)]
    reports = [PastReport(NOW - timedelta(hours=h), "3", 300, "drifted", dict.fromkeys(names, 0.3)) for h in range(5)]
    return PageContext(cells, 1, reports)


def wide(document: dict[str, Any], n_features: int) -> dict[str, Any]:
    own = [f for f in document["features"] if f["feature"] != SCORE]
    many = [{**own[i % len(own)], "feature": f"feature_{i}"} for i in range(n_features)]
    return {**document, "features": [*many, document["features"][-1]]}


def n_charts(html: str) -> int:
    """The number of charts except the small ones in the feature table."""
    return html.count("<svg") - html.count('<svg class="small"')


def test_the_page_loads_no_external_resources(document: dict[str, Any]) -> None:
    html = render_page(document, HEAD, context_of(["tenure", "contract", SCORE]))
    page = parsed(html)
    assert page.all("script") == page.all("link") == page.all("img") == []
    assert "url(" not in html
    assert "@import" not in html
    assert set(re.findall(r"https?://[^\"' <]+", html)) <= {"http://www.w3.org/2000/svg"}


def test_a_page_with_a_hundred_features_is_smaller_than_a_megabyte(document: dict[str, Any]) -> None:
    whole = wide(document, 100)
    html = render_page(whole, HEAD, context_of([f["feature"] for f in whole["features"]]))
    assert len(html.encode()) < 1_000_000
    assert n_charts(html) == 100 + 1 + 2, "one chart for each feature, the score, the heatmap and the history"
    assert html.count('<svg class="small"') == 100 + 1


def test_features_beyond_the_first_hundred_are_only_in_the_table(document: dict[str, Any]) -> None:
    html = render_page(wide(document, 103), HEAD)
    assert "The 3 least significant features" in html
    assert n_charts(html) == 101
    assert html.count('<svg class="small"') == 103 + 1


def test_every_chart_has_a_title_and_description_and_every_link_has_a_target(document: dict[str, Any]) -> None:
    page = parsed(render_page(document, HEAD, context_of(["tenure", "contract", SCORE])))
    ids = [str(a["id"]) for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    small, svgs = (
        [a for a in page.all("svg") if (a.get("class") == "small") == is_small] for is_small in (True, False)
    )
    titles = {"score" if f["feature"] == SCORE else f["feature"] for f in document["features"]}
    assert {a["aria-label"] for a in small} == {f"Distribution of {title}" for title in titles}
    assert len(svgs) == len(document["features"]) + 2
    for svg in svgs:
        assert svg["role"] == "img"
        assert set(str(svg["aria-labelledby"]).split()) <= set(ids)
    for _, attributes in page.tags:
        for name in str(attributes.get("aria-labelledby") or "").split():
            assert name in ids
    assert {str(a["href"]).removeprefix("#") for a in page.all("a")} <= set(ids)


def test_heading_levels_are_not_skipped_and_table_headers_have_a_scope(document: dict[str, Any]) -> None:
    page = parsed(render_page(document, HEAD, context_of(["tenure", SCORE])))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(a.get("scope") in {"col", "row"} for a in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    assert all(a.get("tabindex") == "0" for _, a in page.tags if a.get("class") == "wide"), (
        "wide tables can be scrolled by keyboard"
    )


def test_charts_use_the_colors_of_the_light_or_dark_scheme(document: dict[str, Any]) -> None:
    html = render_page(document, HEAD, context_of(["tenure", SCORE]))
    assert "prefers-color-scheme: dark" in html
    svgs = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    colors = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svgs))
    assert colors
    assert {
        c for c in colors if not c.startswith("var(--") and c not in {"none", "currentColor", "transparent"}
    } == set()
    for name in {c for c in colors if c.startswith("var(")}:
        assert html.count(f"{name[4:-1]}:") == 3, f"{name} is defined for the light, dark and print styles"


def luminance(color: str) -> float:
    """Return the relative luminance of a #rrggbb color as defined in WCAG 2.2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_bars_meet_the_minimum_contrast_of_wcag(document: dict[str, Any], scheme: int) -> None:
    html = render_page(document, HEAD)
    block = (
        html.split("<style>")[1].split("}")[0] if scheme == 0 else html.split("color-scheme: dark)")[1].split("}")[0]
    )
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for ground in ("page", "raised"):
        for ink, minimum in [
            *((name, 4.5) for name in ("ink", "quiet", "bad", "warn", "good", "link")),
            *((name, 3.0) for name in ("reference", "current", *(f"series-{i}" for i in range(1, 6)))),
        ]:
            a, b = sorted((luminance(colors[ground]), luminance(colors[ink])))
            assert (b + 0.05) / (a + 0.05) >= minimum, f"contrast of {ink} on {ground}"


def test_chart_labels_are_text_in_the_page_font(document: dict[str, Any]) -> None:
    html = render_page(document, HEAD)
    assert ">Month-to-month</text>" in html
    assert "font-family" not in "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))


def test_values_from_data_files_are_escaped_in_the_page(document: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    feature = {**document["features"][0], "feature": evil, "statement": f"{evil} & more"}
    feature["bins"] = feature["moved_bins"] = [{"label": evil, "reference_share": 1.0, "current_share": 1.0}]
    html = render_page({**document, "features": [feature]}, FilesHead(evil, "b.csv", 0.2, NOW))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_features_are_sorted_by_significance_with_the_score_last() -> None:
    def one(name: str, psi: float | None, p: float | None, q: float | None = None) -> dict[str, Any]:
        return {"feature": name, "psi": psi, "p_value": p, "q_value": q}

    given = [one(SCORE, 9, 0), one("d", None, None), one("c", 0.1, 0.5), one("b", 0.2, 0.01, 0.02), one("a", 0.3, 0.03)]
    assert [f["feature"] for f in by_significance(given)] == ["b", "a", "c", "d", SCORE]
    assert [f["feature"] for f in by_significance([one("y", 0.1, 0.0), one("z", 0.9, 0.0)])] == ["z", "y"]


def test_the_page_shows_shares_and_segments_and_pairs_and_every_rule(document: dict[str, Any]) -> None:
    features = [
        {
            **f,
            "q_value": 0.03125,
            "statement": "contract: Month-to-month 55% → 71% of rows",
            "lost_share": 0.0625,
            "out_of_range_share": 0.125,
        }
        for f in document["features"]
    ]
    segment = {
        "feature": "contract",
        "value": "Two year",
        "n_reference": 1000,
        "n_current": 50,
        "verdict": "insufficient_data",
        "reasons": ["50 rows of 100"],
        "worst_feature": None,
        "worst_psi": None,
        "worst_q_value": None,
    }
    rules = [*document["rules"], {"rule": "calibrated", "verdict": "drifted", "reasons": ["tenure, q 0.003"]}]
    full = {
        **document,
        "rules": rules,
        "alert_rules": [document["rules"][0]["rule"]],
        "features": features,
        "segments": [segment],
        "pairs": [{"features": ["tenure", "contract"], "psi": 0.4, "p_value": 0.01}],
    }
    html = render_page(full, HEAD)
    for shown in ("0.0312", "Month-to-month 55% → 71%", "lost 6.2%", "out of range 12.5%", "tenure, q 0.003"):
        assert shown in html
    assert "contract = Two year" in html
    assert "tenure and contract" in html
    assert "tenure, q 0.003" not in html.split('class="verdict')[1].split("</p>")[0], (
        "the verdict lists reasons of alerting rules only"
    )


def test_a_stable_verdict_lists_non_alerting_rules_that_detected_drift(document: dict[str, Any]) -> None:
    rules = [
        {"rule": "spec", "verdict": "stable", "reasons": ["2 of 19 features."]},
        {"rule": "calibrated", "verdict": "drifted", "reasons": ["4 of 19."]},
        {"rule": "joint", "verdict": "drifted", "reasons": ["a pair."]},
    ]
    html = render_page({**document, "verdict": "stable", "rules": rules, "alert_rules": ["spec"]}, HEAD)
    sentence = html.split('class="verdict')[1].split("</p>")[0]
    assert sentence.startswith(' moderate">')
    assert "2 of 19 features. calibrated and joint, which raise no alert" in sentence
    alone = render_page({**document, "verdict": "stable", "rules": rules[:1], "alert_rules": ["spec"]}, HEAD)
    assert 'class="verdict stable"' in alone


def test_the_page_for_two_files_names_the_files_and_has_no_history(document: dict[str, Any]) -> None:
    html = render_page(document, FilesHead("january.csv", "february.parquet", 0.2, NOW))
    assert "<h1>Drift from january.csv to february.parquet</h1>" in html
    assert "300 rows of february.parquet" in html
    assert "400 rows of january.csv" in html
    assert "Past reports" not in html
    assert "PSI by feature and hour" not in html


def test_too_few_rows_are_never_shown_as_no_drift(profile: ReferenceProfile) -> None:
    features = compare(profile, {}, 0)
    document = report_document(profile, features, 0, judge(features, 10_000, 0, DriftRule(0.2, 3, 100)))
    sentence = render_page(document, HEAD).split('class="verdict')[1].split("</p>")[0]
    assert "Not evaluated" in sentence
    assert "No alerting rule" not in sentence


def test_heatmap_cells_show_psi_above_chance_and_are_empty_for_few_rows(profile: ReferenceProfile) -> None:
    tenure = next(f for f in profile.features if f.bins.feature == "tenure")
    reference = np.array(tenure.counts)
    few, many = np.zeros_like(reference), np.zeros_like(reference)
    few[0], many[0] = 20, 200
    hours = {NOW: {"tenure": few}, NOW + timedelta(hours=1): {"tenure": many}}
    apart = heat_cells(profile, hours, 1)
    assert apart[0] == HeatCell("tenure", NOW, None)
    n_bins = int((reference > 0).sum())
    expected = psi(reference, many) - psi_expected_by_chance(400, 200, n_bins)
    assert apart[1].excess == pytest.approx(expected, abs=1e-12)
    (together,) = heat_cells(profile, hours, 2)
    assert together.excess == pytest.approx(
        psi(reference, few + many) - psi_expected_by_chance(400, 220, n_bins), abs=1e-12
    )
    assert heat_cells(profile, {NOW: {"tenure": reference}}, 1)[0].excess == 0.0


def test_a_heatmap_without_a_value_is_a_sentence_without_a_chart(document: dict[str, Any]) -> None:
    cells = [HeatCell("tenure", NOW - timedelta(hours=h), None) for h in range(3)]
    html = render_page(document, HEAD, PageContext(cells))
    assert "No hour has enough rows." in html
    assert n_charts(html) == len(document["features"])


def test_heatmap_columns_cover_more_hours_for_longer_windows() -> None:
    assert hours_a_cell(NOW, NOW + timedelta(hours=24)) == 1
    assert hours_a_cell(NOW, NOW + timedelta(hours=48)) == 1
    assert hours_a_cell(NOW, NOW + timedelta(days=31)) == 16


def test_the_compiled_charts_are_up_to_date_with_the_chart_designs() -> None:
    assert COMPILED.read_text(encoding="utf-8") == to_text(compile_designs())
