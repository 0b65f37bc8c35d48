"""The drift table of `pmmds monitor` has at most 100 columns and one verdict per rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.drift_statistics import load_population
from pmmds_cli.output.drift_table import print_drift
from pmmds_core.drift.comparison import compare
from pmmds_core.drift.policy import DriftRule, judge, report_document
from pmmds_core.drift.rules.rule_verdict import RuleVerdict
from pmmds_core.drift.segments import SegmentDrift
from pmmds_core.statistics.verdict import Verdict


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    split = load_population().split(np.random.default_rng(0))
    counts = split.counts(split.others)
    counts["payment_method"] = np.array([0, 0, 0, 0, *counts["payment_method"][4:-1], len(split.others)])
    features = compare(split.profile, counts, len(split.others))
    few = RuleVerdict("sequential", Verdict.INSUFFICIENT_DATA, ("3 windows of 25 hours so far. " * 9,))
    verdict = judge(features, 10_000, len(split.others), DriftRule(0.2, 3, 100), (few,))
    segments = [
        SegmentDrift("contract", "Month-to-month", 2700, 1100, Verdict.STABLE, ("…",), "tenure", 0.02, 0.31),
        SegmentDrift("payment_method", "Bank transfer (automatic)" * 2, 9, 0, Verdict.INSUFFICIENT_DATA, ("…",)),
    ]
    shown = report_document(split.profile, features, len(split.others), verdict, segments=segments)
    return {**shown, "alert_id": 4, "report": "drift.html"}


def test_table_fits_100_columns_and_lists_verdicts_by_rule(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print_drift(document)
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 100
    first = printed.splitlines()[1]
    assert first.startswith("payment_method"), "the feature with the largest PSI is first"
    assert "missing 0% → 100%" in first
    for words in (
        "spec (stable, raises alerts): 1 of 19 features",
        "calibrated (drifted): 1 of 19 features changed significantly",
        "sequential (insufficient_data): ",
        "- payment_method: missing 0% → 100% of rows (PSI ",
        "contract = Month-to-month",
        "Alert 4 is open",
    ):
        assert words in printed


@pytest.mark.parametrize("columns", [80, 90, 160])
def test_table_follows_the_width_of_the_terminal(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_drift(document)
    widest = max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines())
    assert columns - 30 < widest <= columns


def test_window_without_rows_prints_the_reason_and_no_feature(capsys: pytest.CaptureFixture[str]) -> None:
    profile = load_population().split(np.random.default_rng(0)).profile
    features = compare(profile, {}, 0)
    shown = report_document(profile, features, 0, judge(features, 10_000, 0, DriftRule(0.2, 3, 100)))
    print_drift({**shown, "alert_id": None, "report": "drift.html"})
    printed = capsys.readouterr().out
    assert "0 rows in the window; at least 100 are required." in printed
    assert "insufficient data" in printed
    assert not any(f.bins.feature in printed for f in profile.features)
