"""Timestamps must be ISO 8601 within a range; numbers are rejected. pandas computes the expected values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.errors import SettingError
from pmmds_core.runtime.timestamps import InvalidTimestampError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RANGE = load_settings({}).timestamps


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01t12:00:00z",
        "2026-03-01 12:00:00.123456789+00:00",
        "2026-03-01T12:00:00.5-08:00",
        "2026-03-01T12:00+0530",
        "2026-03-01 12:00:00 +02",
        "2026-03-01 12:00:00 UTC",
        " 2026-03-01T12:00:00 ",
        "2026-03-01",
        "2000-01-01T00:00:00Z",
    ],
)
def test_iso_8601_timestamps_are_parsed_as_pandas_parses_them(text: str) -> None:
    expected = pd.Timestamp(text.strip().upper())
    expected = expected.tz_localize("UTC") if expected.tz is None else expected.tz_convert("UTC")
    assert RANGE.parse(text, NOW) == expected.floor("us").to_pydatetime()


@pytest.mark.parametrize(
    "raw",
    [1_772_366_400, 1_772_366_400_000, 1_772_366_400_000_000, 1_772_366_400_000_000_000, 1.7e9, 20_260_301, True],
)
def test_numbers_are_rejected_with_an_example_of_a_valid_timestamp(raw: float) -> None:
    for value in (raw, str(int(raw)), f"-{int(raw)}", f"{int(raw)}.5", f"{raw:e}"):
        with pytest.raises(InvalidTimestampError, match=r"such as 2026-03-01T12:00:00Z; a number .* not accepted"):
            RANGE.parse(value, NOW)


@pytest.mark.parametrize(
    "raw",
    [
        *("", "now", "2026-02-30", "2026-13-01", "2026-03-01T25:00Z", "2026-W09-7", "2026-03-01x12:00", "12:00"),
        *("01.03.2026", "20260301T120000Z", "\uff12026-03-01", "2026-03-01T12:00:00+99:00", [], {}),
    ],
)
def test_values_that_are_not_iso_8601_are_rejected(raw: object) -> None:
    with pytest.raises(InvalidTimestampError, match=r"an ISO 8601 timestamp such as 2026-03-01T12:00:00Z$"):
        RANGE.parse(raw, NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("1999-12-31T23:59:59.999999Z", "1970-01-01", "0001-01-01T00:00:00+14:00", "1770-01-01"),
        *("2026-03-03T12:00:01Z", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_timestamps_outside_the_range_are_rejected(text: str) -> None:
    with pytest.raises(InvalidTimestampError, match="expected a time from 2000-01-01 to 2026-03-03T12:00:00Z"):
        RANGE.parse(text, NOW)


def test_the_allowed_timestamp_range_is_configurable() -> None:
    own = {"PMMDS_TIMESTAMP_EARLIEST": "2020-06-01", "PMMDS_TIMESTAMP_MAX_AHEAD_HOURS": "1"}
    timestamps = load_settings(own).timestamps
    assert timestamps.parse("2020-06-01", NOW) == datetime(2020, 6, 1, tzinfo=UTC)
    assert timestamps.parse(NOW + timedelta(hours=1), NOW) == NOW + timedelta(hours=1)
    for outside in ("2020-05-31T23:59:59Z", NOW + timedelta(hours=1, seconds=1)):
        with pytest.raises(InvalidTimestampError, match="a time from 2020-06-01 to 2026-03-02T13:00:00Z"):
            timestamps.parse(outside, NOW)


def test_the_configured_range_cannot_exceed_that_of_the_database() -> None:
    with pytest.raises(InvalidTimestampError, match="from 1970-01-01"):
        load_settings({"PMMDS_TIMESTAMP_EARLIEST": "1900-01-01"}).timestamps.parse("1960-01-01", NOW)
    with pytest.raises(SettingError, match="expected a day such as 2000-01-01"):
        load_settings({"PMMDS_TIMESTAMP_EARLIEST": "last year"})
