"""Adoption: segments that no worker writes to any more are taken, shipped and deleted.

Keep out: the workers' side (spool/spool.py), and how rows get into the database (delivery.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.runtime.json_logs import get_logger
from pmmds_serving.shipping.delivery import Delivery
from pmmds_serving.spool.segment import DAMAGED_SUFFIX, Batch, Segment, abandoned

REFUSED_SUFFIX = ".other-contract"
# More than a segment has, unless its records are tiny.
BATCH_RECORDS = 50_000
# What goes into the database at once, when so much waits in small segments: about 5,000 rows.
TOGETHER_BYTES = 1 << 20
# Each is an open file.
TOGETHER_SEGMENTS = 100

log = get_logger("pmmds.serving.adoption")


@dataclass(frozen=True)
class _Opened:
    """A segment of this contract, and its first batch, which is all of it unless `has_more`."""

    segment: Segment
    names: tuple[str, ...]
    batch: Batch

    @property
    def has_more(self) -> bool:
        return self.batch.n_frames == BATCH_RECORDS


class Adoption:
    """Ships segments, each from its beginning and in one transaction: it is in the database whole, or not at all.

    So a worker that gives up a segment knows how many rows are lost, and rows that arrived before are kept once.
    Small segments go together.
    """

    def __init__(self, folder: Path, delivery: Delivery, feature_names: tuple[str, ...]) -> None:
        self._folder = folder
        self._delivery = delivery
        self._feature_names = feature_names

    def ship_abandoned(self, is_late: Callable[[], bool]) -> None:
        """Move what is abandoned now, until it is late. Raises what `Delivery.deliver` raises; then the rest waits."""
        with closing(_grouped(abandoned(self._folder))) as groups:
            for segments in groups:
                if not is_late():
                    self._ship_group(segments)

    def _ship_group(self, segments: Sequence[Segment]) -> None:
        opened = [found for segment in segments if (found := self._open(segment)) is not None]
        if not self._ship_together(opened):
            for each in opened:
                self._ship(each)

    def _open(self, segment: Segment) -> _Opened | None:
        """None when it holds nothing for this database; then it has been put where it belongs."""
        found = segment.header()
        if found is None:
            self._let_go(segment, 0)
            return None
        header, position = found
        if not set(header.feature_names) <= set(self._feature_names):
            kept = segment.set_aside(REFUSED_SUFFIX)
            log.error("spool_of_another_contract", file=kept.name)
            return None
        return _Opened(segment, header.feature_names, segment.read(position, BATCH_RECORDS))

    def _ship_together(self, opened: Sequence[_Opened]) -> bool:
        """False when they have to be shipped one by one; then nothing of them has been."""
        if len(opened) < 2 or len({o.names for o in opened}) > 1 or any(o.has_more for o in opened):
            return False
        if not self._delivery.deliver_together([o.batch for o in opened], opened[0].names):
            return False
        for each in opened:
            self._let_go(each.segment, each.batch.end)
        return True

    def _ship(self, opened: _Opened) -> None:
        batch = opened.batch
        while batch.n_frames:
            self._delivery.deliver(batch, opened.names)
            batch = opened.segment.read(batch.end, BATCH_RECORDS)
        self._let_go(opened.segment, batch.end)

    def _let_go(self, segment: Segment, end: int) -> None:
        """Delete a file that was read to its end; keep one whose rest is cut off or damaged."""
        if end == segment.size:
            segment.delete()
        else:
            kept = segment.set_aside(DAMAGED_SUFFIX)
            log.error("spool_damaged", file=kept.name, damaged_at_byte=end)


def _grouped(segments: Iterator[Segment]) -> Generator[Sequence[Segment], None, None]:
    """As many as belong together, in their order; each is let go of when the next group is asked for."""
    group: list[Segment] = []
    try:
        for segment in segments:
            group.append(segment)
            if sum(s.size for s in group) >= TOGETHER_BYTES or len(group) == TOGETHER_SEGMENTS:
                yield tuple(group)
                _close(group)
        if group:
            yield tuple(group)
    finally:
        _close(group)


def _close(group: list[Segment]) -> None:
    while group:
        group.pop().close()
