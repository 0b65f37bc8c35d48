"""Removes the measures from drift reports on too few rows, but keeps the row counts, the shares and the reasons.

The PSI of a few rows is large without any drift, so no table, chart or metric may show it. The shares stay, because the
rule `sequential` adds up the rows of many such windows. Not here: the minimum and the verdict (policy.py, rules/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pmmds_core.drift.comparison import Band, FeatureDrift
from pmmds_core.drift.rules import calibrated, spec
from pmmds_core.statistics.verdict import Verdict

# Rules that are in every report and require only a minimum number of rows.
_NEED_ONLY_ROWS = (spec.RULE, calibrated.RULE)
_WITHHELD: Mapping[str, Any] = {
    **dict.fromkeys(("psi", "kl_divergence", "js_divergence", "js_distance", "wasserstein_distance", "ks_distance")),
    **dict.fromkeys(("p_value", "q_value", "psi_expected_by_chance")),
    **dict.fromkeys(("null_share_current", "unseen_share", "lost_share", "out_of_range_share")),
    "band": str(Band.UNDETERMINED),
    "statement": "",
    "moved_bins": [],
}


def without_measures(feature: FeatureDrift) -> FeatureDrift:
    """Return the feature with the shares of its bins, but without its measures."""
    withheld = {name: value for name, value in _WITHHELD.items() if name not in ("band", "moved_bins")}
    return replace(feature, **withheld, band=Band.UNDETERMINED, moved_bins=())


def has_enough_rows(document: Mapping[str, Any]) -> bool:
    """Return False if the report has too few rows for a verdict, so that no feature may be shown as drifted."""
    verdicts = [r["verdict"] for r in document["rules"] if r["rule"] in _NEED_ONLY_ROWS]
    return not verdicts or any(v != Verdict.INSUFFICIENT_DATA for v in verdicts)


def without_findings(document: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the measures of features and pairs from a `policy.report_document` that has too few rows.

    The bands become `undetermined`, as in a report without current rows.
    """
    if has_enough_rows(document):
        return dict(document)
    return {**document, "features": [_without_measures(f) for f in document["features"]], "pairs": []}


def _without_measures(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {**feature, **{name: value for name, value in _WITHHELD.items() if name in feature}}
