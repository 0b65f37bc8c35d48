"""Ids that the service makes: UUIDs of version 7, in the order of time, each once."""

from __future__ import annotations

import time
import uuid

from pmmds_serving.request_ids import RequestIds


def test_ids_are_uuids_of_version_7_and_each_comes_once() -> None:
    ids = RequestIds()
    made = [ids.new() for _ in range(2000)]
    assert len(set(made)) == 2000
    for text in made:
        found = uuid.UUID(text)
        assert found.hex == text
        assert (found.version, found.variant) == (7, uuid.RFC_4122)


def test_ids_say_when_and_sort_by_it() -> None:
    ids, before = RequestIds(), time.time_ns() // 1_000_000
    first = ids.new()
    while time.time_ns() // 1_000_000 == int(first[:12], 16):
        pass  # the next millisecond comes by itself
    second = ids.new()
    assert before <= int(first[:12], 16) < int(second[:12], 16) <= time.time_ns() // 1_000_000
    assert first < second
    assert RequestIds().new() > first
