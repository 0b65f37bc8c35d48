"""Ids that the service makes: UUIDs of version 7, in the order of time, each once, each with its instant inside."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from pmmds_core.stores.predictions.request_ids import PREFIX_DIGITS, timestamp_of, uuid7_timestamp_prefix
from pmmds_serving.prediction.request_ids import RequestIds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ids_are_uuids_of_version_7_and_each_comes_once() -> None:
    ids = RequestIds()
    made = [ids.new(NOON) for _ in range(2000)]
    assert len(set(made)) == 2000
    for text in made:
        found = uuid.UUID(text)
        assert found.hex == text
        assert (found.version, found.variant) == (7, uuid.RFC_4122)


def test_ids_sort_by_their_instant_and_hold_every_microsecond_of_it() -> None:
    ids = RequestIds()
    instants = [NOON + timedelta(microseconds=i) for i in range(2001)]
    made = [ids.new(at) for at in instants]
    assert [timestamp_of(i) for i in made] == instants
    assert [i[:PREFIX_DIGITS] for i in made] == sorted(i[:PREFIX_DIGITS] for i in made)
    assert made[-1][:PREFIX_DIGITS] == uuid7_timestamp_prefix(instants[-1])


def test_a_row_of_a_batch_has_the_instant_of_its_batch_and_other_ids_have_none() -> None:
    own = RequestIds().new(NOON)
    assert timestamp_of(f"{own}-17") == NOON
    others = ("", "r1", uuid.uuid4().hex, own.upper(), f"{own}-", f"{own}-x", own[:-1], f"{own}\n")
    for other in (*others, str(uuid.UUID(own))):
        assert timestamp_of(other) is None


def test_a_random_id_that_looks_like_ours_and_lies_beyond_the_calendar_has_no_instant() -> None:
    assert timestamp_of("ffffffffffff7fff8" + 15 * "0") is None
    assert timestamp_of(f"{253_370_764_800_000:012x}70008" + 15 * "0") is None
    assert timestamp_of(f"{253_370_764_799_999:012x}70008" + 15 * "0") is not None
