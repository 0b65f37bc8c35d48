"""Builders of asset check results. The checks themselves are pure functions in pmmds_core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pmmds_assets.charts import table
from pmmds_core.statistics.verdict import Verdict


def check_result(
    name: str, passed: bool, metadata: Mapping[str, Any], failures: Sequence[Mapping[str, Any]] = ()
) -> dg.AssetCheckResult:
    """Return a check result with its metrics and a table of failures."""
    shown: dict[str, Any] = dict(metadata)
    if failures:
        shown["failures"] = table(failures)
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=shown)


def not_evaluated(name: str, reason: str) -> dg.AssetCheckResult:
    """Return a warning for a check that was not evaluated, because Dagster requires a result.

    The check never passes.
    """
    metadata = {"verdict": Verdict.INSUFFICIENT_DATA.value, "reason": reason}
    return dg.AssetCheckResult(check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)
