"""Prediction ids are unique, sortable UUIDv7 values that contain a timestamp."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from pmmds_core.stores.predictions.request_ids import PREFIX_DIGITS, timestamp_of, uuid7_timestamp_prefix
from pmmds_serving.prediction.request_ids import RequestIds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ids_are_unique_uuid7() -> None:
    ids = RequestIds()
    made = [ids.new(NOON) for _ in range(2000)]
    assert len(set(made)) == 2000
    for text in made:
        found = uuid.UUID(text)
        assert found.hex == text
        assert (found.version, found.variant) == (7, uuid.RFC_4122)


def test_ids_sort_by_their_microsecond_timestamp() -> None:
    ids = RequestIds()
    timestamps = [NOON + timedelta(microseconds=i) for i in range(2001)]
    made = [ids.new(at) for at in timestamps]
    assert [timestamp_of(i) for i in made] == timestamps
    assert [i[:PREFIX_DIGITS] for i in made] == sorted(i[:PREFIX_DIGITS] for i in made)
    assert made[-1][:PREFIX_DIGITS] == uuid7_timestamp_prefix(timestamps[-1])


def test_batch_rows_have_the_timestamp_of_their_batch() -> None:
    own = RequestIds().new(NOON)
    assert timestamp_of(f"{own}-17") == NOON
    others = ("", "r1", uuid.uuid4().hex, own.upper(), f"{own}-", f"{own}-x", own[:-1], f"{own}\n")
    for other in (*others, str(uuid.UUID(own))):
        assert timestamp_of(other) is None


def test_an_id_with_an_impossible_date_has_no_timestamp() -> None:
    assert timestamp_of("ffffffffffff7fff8" + 15 * "0") is None
    assert timestamp_of(f"{253_370_764_800_000:012x}70008" + 15 * "0") is None
    assert timestamp_of(f"{253_370_764_799_999:012x}70008" + 15 * "0") is not None
