"""Reads successive windows of one model version from its stored reports.

Reports overlap, because each hourly report covers a day. Only windows that do not overlap may be summed.
Not here: the rules that are applied to them (drift/rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_reports

Counts = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Window:
    """One window [start, end). `report_id` is None for a window without a report yet."""

    report_id: int | None
    start: datetime
    end: datetime


def chain(windows: Iterable[Window]) -> list[Window]:
    """Return the first window, then each that starts at or after the previous one's end. `windows`: in report order.

    Later reports only append windows and never change earlier conclusions.
    """
    taken: list[Window] = []
    for window in windows:
        if not taken or window.start >= taken[-1].end:
            taken.append(window)
    return taken


class DriftWindows:
    """Reads the bin counts of successive windows from drift_reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_version(
        self, model_name: str, model_version: str, profile: ReferenceProfile, current: Window, now: Counts, limit: int
    ) -> tuple[list[Counts], datetime | None]:
        """The newest `limit` successive windows as long as the current one, oldest first, and the end of the last.

        Args:
            model_name: name of the model.
            model_version: the version that predicted the rows.
            profile: the version's profile; reports with other bins are omitted.
            current: the window being monitored, which has no report yet; omitted if it has no rows.
            now: its counts.
            limit: the maximum number of windows.
        """
        reported = self._windows(model_name, model_version, current)
        taken = chain([*reported, current] if any(c.any() for c in now.values()) else reported)[-limit:]
        documents = self._documents([w.report_id for w in taken if w.report_id is not None])
        windows = [now if w.report_id is None else counts_of(documents[w.report_id], profile) for w in taken]
        return [counts for counts in windows if counts is not None], taken[-1].end if taken else None

    def _windows(self, model_name: str, model_version: str, current: Window) -> list[Window]:
        c = drift_reports.c
        query = sa.select(c.report_id, c.window_start, c.window_end).where(
            c.model_name == model_name, c.model_version == model_version, c.n_current > 0
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(c.report_id)).all()
        length = current.end - current.start
        return [Window(*row) for row in rows if row.window_end - row.window_start == length]

    def _documents(self, report_ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
        c = drift_reports.c
        query = sa.select(c.report_id, c.document).where(c.report_id.in_(report_ids))
        with self._database.connect() as connection:
            return {row.report_id: row.document for row in connection.execute(query)}


def counts_of(document: Mapping[str, Any], profile: ReferenceProfile) -> Counts | None:
    """Reconstruct a report's exact counts (shares times rows); None if its bins differ."""
    n_rows = int(document["n_current"])
    shares = {f["feature"]: [b["current_share"] for b in f["bins"]] for f in document["features"]}
    labels = {f["feature"]: [b["label"] for b in f["bins"]] for f in document["features"]}
    if any(labels.get(f.bins.feature) != list(f.bins.labels) for f in profile.with_score):
        return None
    return {name: np.rint(np.array(bins) * n_rows).astype(np.int64) for name, bins in shares.items()}
