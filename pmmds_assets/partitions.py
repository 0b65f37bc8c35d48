"""Hourly partitions of the histograms, and run tags that select a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from pmmds_core.runtime.time_windows import HOUR, start_of_hour

KEY_FORMAT = "%Y-%m-%d-%H:%M"

# Include the current hour as a partition, because every window includes the most recent rows.
hourly = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", timezone="UTC", end_offset=1, fmt=KEY_FORMAT)

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def key_of(at: datetime) -> str:
    """Return the partition key of the hour that contains a timestamp."""
    return start_of_hour(at).strftime(KEY_FORMAT)


def range_tags(start: datetime, end: datetime) -> Mapping[str, str]:
    """Return run tags that select the hours of [start, end)."""
    return {RANGE_START: key_of(start), RANGE_END: key_of(end - HOUR)}
