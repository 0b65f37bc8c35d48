"""Asset check results, made alike. The checks themselves are pure functions of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pmmds_assets.charts import table


def check_result(
    name: str, passed: bool, metadata: Mapping[str, Any], failures: Sequence[Mapping[str, Any]] = ()
) -> dg.AssetCheckResult:
    """A check's answer with its numbers, and a table of what failed."""
    shown: dict[str, Any] = dict(metadata)
    if failures:
        shown["failures"] = table(failures)
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=shown)


def could_not_look(name: str, reason: str) -> dg.AssetCheckResult:
    """Dagster wants an answer of every check; that nobody could look is not a pass."""
    found = {"verdict": "insufficient_data", "reason": reason}
    return dg.AssetCheckResult(check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata=found)
