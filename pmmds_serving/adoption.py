"""Adoption: segments that no worker writes to any more are taken, shipped and deleted.

Keep out: the workers' side (spool.py), and how rows get into the database (delivery.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pmmds_core.telemetry import get_logger
from pmmds_serving.delivery import Delivery
from pmmds_serving.segment import DAMAGED_SUFFIX, Segment, abandoned

REFUSED_SUFFIX = ".other-contract"
# More than a segment has, unless its records are tiny.
BATCH_RECORDS = 50_000

log = get_logger("pmmds.serving.adoption")


class Adoption:
    """Ships segments, each from its beginning and in one batch: it is in the database whole, or not at all.

    So a worker that gives up a segment knows how many rows are lost, and rows that arrived before are kept once.
    """

    def __init__(self, folder: Path, delivery: Delivery, feature_names: tuple[str, ...]) -> None:
        self._folder = folder
        self._delivery = delivery
        self._feature_names = feature_names

    def ship_abandoned(self, is_late: Callable[[], bool]) -> None:
        """Move what is abandoned now, until it is late. Raises what `Delivery.deliver` raises; then the rest waits."""
        for segment in abandoned(self._folder):
            try:
                if not is_late():
                    self._ship(segment)
            finally:
                segment.close()

    def _ship(self, segment: Segment) -> None:
        found = segment.header()
        if found is None:
            self._let_go(segment, 0)
            return
        header, position = found
        if not set(header.feature_names) <= set(self._feature_names):
            kept = segment.set_aside(REFUSED_SUFFIX)
            log.error("spool_of_another_contract", file=kept.name)
            return
        while (batch := segment.read(position, BATCH_RECORDS)).n_frames:
            self._delivery.deliver(batch, header.feature_names)
            position = batch.end
        self._let_go(segment, position)

    def _let_go(self, segment: Segment, end: int) -> None:
        """Delete a file that was read to its end; keep one whose rest is cut off or damaged."""
        if end == segment.size:
            segment.delete()
        else:
            kept = segment.set_aside(DAMAGED_SUFFIX)
            log.error("spool_damaged", file=kept.name, damaged_at_byte=end)
