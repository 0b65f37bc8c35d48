"""Reports on too few rows omit all drift measures, even large ones, because they are unreliable."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pmmds_cli.output.drift_table import print_drift
from pmmds_core.contracts.contract import Contract
from pmmds_core.drift.comparison import compare
from pmmds_core.drift.few_rows import has_enough_rows, without_findings
from pmmds_core.drift.policy import DriftRule, judge, report_document
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.reports.drift_history import PageContext, heat_cells
from pmmds_core.reports.drift_page import PageHead, render_page
from pmmds_core.stores.monitoring.drift_windows import counts_of
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_tests.harness.prediction_records import columns_of, make_records

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MEASURES = ("psi", "kl_divergence", "js_divergence", "js_distance", "p_value", "q_value", "psi_expected_by_chance")


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    records = make_records(contract, 400, seed=1)
    return fit_profile(contract, columns_of(contract, records), np.array([r.probability for r in records]))


def report(profile: ReferenceProfile, n_rows: int) -> dict[str, Any]:
    """Return a report with all rows in the first bin of each feature, so that PSI exceeds every threshold."""
    counts = {f.bins.feature: np.array([n_rows] + [0] * (f.bins.n_bins - 1)) for f in profile.with_score}
    features = compare(profile, counts, n_rows)
    return report_document(profile, features, n_rows, judge(features, 2000, n_rows, DriftRule(0.2, 3, 100)))


@pytest.mark.parametrize("n_rows", [1, 60, 99])
def test_reports_on_too_few_rows_have_counts_and_reasons_but_no_measures(
    profile: ReferenceProfile, n_rows: int
) -> None:
    whole = report(profile, n_rows)
    assert max(f["psi"] for f in whole["features"]) > 0.25, (
        "without the minimum number of rows, this would be major drift"
    )
    document = without_findings(whole)
    assert not has_enough_rows(document)
    assert (document["n_current"], document["verdict"]) == (n_rows, "insufficient_data")
    assert {f["band"] for f in document["features"]} == {"undetermined"}
    assert all(f[name] is None for f in document["features"] for name in MEASURES)
    assert [f["bins"] for f in document["features"]] == [f["bins"] for f in whole["features"]]
    assert without_findings(document) == document
    assert not re.search(r"major|significant|moderate", json.dumps(document))


def test_the_sequential_rule_uses_windows_with_too_few_rows(profile: ReferenceProfile) -> None:
    counts = counts_of(without_findings(report(profile, 60)), profile)
    assert counts is not None
    assert {int(c[0]) for c in counts.values()} == {60}


def test_reports_on_enough_rows_include_every_measure(profile: ReferenceProfile) -> None:
    assert without_findings(report(profile, 100)) == report(profile, 100)


def test_the_page_for_too_few_rows_has_no_feature_chart_or_band(profile: ReferenceProfile) -> None:
    """The rule also applies to reports that an older release stored with measures."""
    head = PageHead("churn-classifier", "4", NOW - timedelta(hours=24), NOW, 0.2, NOW)
    body = render_page(report(profile, 1), head, PageContext()).partition("</style>")[2]
    assert "<svg" not in body
    assert "1 prediction from" in body
    assert not re.search(r"\b(major|significant|moderate)\b", body)
    assert "Distributions" not in body


def test_the_printed_table_for_too_few_rows_lists_no_feature(
    profile: ReferenceProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    print_drift({**report(profile, 1), "alert_id": None, "report": "drift.html"})
    printed = capsys.readouterr().out
    assert "1 row against 400 reference rows: insufficient data." in printed
    assert not any(f.bins.feature in printed for f in profile.features)


def test_an_hour_is_compared_only_if_it_and_the_reference_have_enough_rows(contract: Contract) -> None:
    frame = packaged_generator().sample(60, seed=1)
    columns = {name: frame[name].to_numpy() for name in contract.feature_names}
    for n_reference, n_hour, is_shown in ((49, 60, False), (60, 49, False), (60, 60, True)):
        few = fit_profile(contract, {k: v[:n_reference] for k, v in columns.items()}, np.full(n_reference, 0.5))
        counts = {f.bins.feature: np.array([n_hour] + [0] * (f.bins.n_bins - 1)) for f in few.with_score}
        cells = heat_cells(few, {NOW: counts}, 1)
        assert {cell.excess is not None for cell in cells} == {is_shown}
