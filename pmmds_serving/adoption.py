"""Adoption: what dead workers left in the spool's folder is shipped by one that lives.

Keep out: the worker's own segments (spool.py), and how rows get into the database (delivery.py).
"""

from __future__ import annotations

from collections.abc import Callable

from pmmds_core.telemetry import get_logger
from pmmds_serving.delivery import Delivery
from pmmds_serving.segment import DAMAGED_SUFFIX, Segment
from pmmds_serving.spool import Spool

REFUSED_SUFFIX = ".other-contract"

log = get_logger("pmmds.serving.adoption")


class Adoption:
    """Ships abandoned segments, each from its beginning: rows that arrived before are kept once."""

    def __init__(self, spool: Spool, delivery: Delivery, feature_names: tuple[str, ...], batch_records: int) -> None:
        self._spool = spool
        self._delivery = delivery
        self._feature_names = feature_names
        self._batch_records = batch_records

    def ship_abandoned(self, is_late: Callable[[], bool]) -> None:
        """Move what is abandoned now, until it is late. Raises what `Delivery.deliver` raises; then the rest waits."""
        for segment in self._spool.abandoned():
            try:
                if not is_late():
                    self._ship(segment, is_late)
            finally:
                segment.close()

    def _ship(self, segment: Segment, is_late: Callable[[], bool]) -> None:
        found = segment.header()
        if found is None:
            self._let_go(segment, 0)
            return
        header, position = found
        if not set(header.feature_names) <= set(self._feature_names):
            kept = segment.set_aside(REFUSED_SUFFIX)
            log.error("spool_of_another_contract", file=kept.name)
            return
        while (batch := segment.read(position, self._batch_records)).n_frames:
            if is_late():
                return
            self._delivery.deliver(batch, header.feature_names)
            position = batch.end
        log.info("spool_adopted", file=segment.path.name)
        self._let_go(segment, position)

    def _let_go(self, segment: Segment, end: int) -> None:
        """Delete a file that was read to its end; keep one whose rest is cut off or damaged."""
        if end == segment.size:
            segment.delete()
        else:
            kept = segment.set_aside(DAMAGED_SUFFIX)
            log.error("spool_damaged", file=kept.name, damaged_at_byte=end)
