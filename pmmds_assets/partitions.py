"""The hours that histograms are kept for, and run tags that name a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from pmmds_core.runtime.time_windows import HOUR, start_of_hour

KEY_FORMAT = "%Y-%m-%d-%H:%M"

# The present hour is a partition too: the rows of the last minutes are part of every window.
hourly = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", timezone="UTC", end_offset=1, fmt=KEY_FORMAT)

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def key_of(instant: datetime) -> str:
    """The partition key of the hour that an instant falls into."""
    return start_of_hour(instant).strftime(KEY_FORMAT)


def range_tags(start: datetime, end: datetime) -> Mapping[str, str]:
    """Run tags that select the hours of [start, end)."""
    return {RANGE_START: key_of(start), RANGE_END: key_of(end - HOUR)}
