"""Ships log segments that no worker writes to: released segments and orphans of dead workers.

Not here: the workers' side (spool/spool.py), writing rows to the database (delivery.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.runtime.json_logs import get_logger
from pmmds_serving.shipping.delivery import Delivery
from pmmds_serving.spool.segment import DAMAGED_SUFFIX, Batch, Segment, claim_all

OTHER_CONTRACT_SUFFIX = ".other-contract"
# Maximum number of records in a batch; segments usually have fewer.
BATCH_RECORDS = 50_000
# Maximum bytes of small segments shipped in one transaction; about 5,000 rows.
TOGETHER_BYTES = 1 << 20
# Maximum number of segments shipped in one transaction; each is an open file.
TOGETHER_SEGMENTS = 100

log = get_logger("pmmds.serving.orphans")


@dataclass(frozen=True)
class _Opened:
    """A segment of this contract and its first batch, which is complete unless `has_more`."""

    segment: Segment
    names: tuple[str, ...]
    batch: Batch

    @property
    def has_more(self) -> bool:
        return self.batch.n_frames == BATCH_RECORDS


class SegmentShipper:
    """Ships each segment from its start in one transaction, all or nothing; small segments share a transaction.

    The number of rows in a dropped segment is therefore known.
    """

    def __init__(self, folder: Path, delivery: Delivery, feature_names: tuple[str, ...]) -> None:
        self._folder = folder
        self._delivery = delivery
        self._feature_names = feature_names

    def ship_all(self, is_late: Callable[[], bool]) -> None:
        """Ship all claimable segments until `is_late` returns True. Raises the same errors as `Delivery.deliver`."""
        with closing(_grouped(claim_all(self._folder))) as groups:
            for segments in groups:
                if not is_late():
                    self._ship_group(segments)

    def _ship_group(self, segments: Sequence[Segment]) -> None:
        opened = [o for o in map(self._open, segments) if o is not None]
        if not self._ship_together(opened):
            for each in opened:
                self._ship(each)

    def _open(self, segment: Segment) -> _Opened | None:
        """Read the header and first batch. None, and the file deleted or set aside, if no row is for this database."""
        start = segment.header()
        if start is None:
            self._finish(segment, 0)
            return None
        header, position = start
        if not set(header.feature_names) <= set(self._feature_names):
            path = segment.set_aside(OTHER_CONTRACT_SUFFIX)
            log.error("spool_of_another_contract", file=path.name)
            return None
        return _Opened(segment, header.feature_names, segment.read(position, BATCH_RECORDS))

    def _ship_together(self, opened: Sequence[_Opened]) -> bool:
        """Ship segments in one transaction. Returns False if nothing was shipped and each must be shipped alone."""
        if len(opened) < 2 or len({o.names for o in opened}) > 1 or any(o.has_more for o in opened):
            return False
        if not self._delivery.deliver_together([o.batch for o in opened], opened[0].names):
            return False
        for each in opened:
            self._finish(each.segment, each.batch.end)
        return True

    def _ship(self, opened: _Opened) -> None:
        batch = opened.batch
        while batch.n_frames:
            self._delivery.deliver(batch, opened.names)
            batch = opened.segment.read(batch.end, BATCH_RECORDS)
        self._finish(opened.segment, batch.end)

    def _finish(self, segment: Segment, end: int) -> None:
        """Delete the segment's file if it was read completely; set it aside if its end is damaged."""
        if end == segment.size:
            segment.delete()
        else:
            path = segment.set_aside(DAMAGED_SUFFIX)
            log.error("spool_damaged", file=path.name, damaged_at_byte=end)


def _grouped(segments: Iterator[Segment]) -> Generator[Sequence[Segment], None, None]:
    """Yield groups of segments in order; each group is closed when the next one is requested."""
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
