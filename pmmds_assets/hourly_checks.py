"""Asset checks with a result for each hour of a partitioned asset.

Dagster marks the parameter `partitions_def` of checks as a preview, so that its versions are bounded, and a test covers
what PMMDS relies on. Not here: checks with one result for a run (check_results.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from pmmds_assets.partitions import hourly, key_of


def hourly_check(name: str, asset: str, description: str) -> dg.AssetCheckSpec:
    """Return the specification of a check that has a result for each hour."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*currently in preview")
        return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=hourly)


def hourly_result(
    asset_key: dg.AssetKey, name: str, hour: datetime, passed: bool, metadata: Mapping[str, str | int]
) -> dg.AssetCheckEvaluation:
    """Return the result of one hour, to be logged by a run of several hours.

    For such a run, Dagster stores an AssetCheckResult without an hour.
    """
    values = {
        k: dg.MetadataValue.int(v) if isinstance(v, int) else dg.MetadataValue.text(v) for k, v in metadata.items()
    }
    return dg.AssetCheckEvaluation(
        asset_key=asset_key, check_name=name, passed=passed, metadata=values, partition=key_of(hour)
    )
