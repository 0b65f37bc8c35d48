"""Searches the spool for a request without claiming its segments. Not here: shipping (shipping/)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pmmds_serving.spool.segment import SUFFIX, Segment

_EVERY_FRAME = 1 << 30


def is_spooled(folder: Path, request_id: str) -> bool:
    """True if any log segment contains a record with this id. Segments deleted during the search are skipped."""
    return any(_holds(path, request_id) for path in sorted(folder.glob(f"*{SUFFIX}")))


def _holds(path: Path, request_id: str) -> bool:
    with suppress(FileNotFoundError):
        # MessagePack stores text as UTF-8, so most segments are ruled out without decoding.
        if request_id.encode() not in path.read_bytes():
            return False
        segment = Segment(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            head = segment.header()
            batch = segment.read(head[1] if head else 0, _EVERY_FRAME)
        finally:
            segment.close()
        return any(request_id in (record.request_id, record.client_request_id) for record in batch.records)
    return False
