"""Successive windows of one model version, read back from its stored reports. Keep out: judging them (drift/rules).

Reports overlap: one is made every hour over the last day. Only windows that do not overlap may be added up.
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
    """One window [start, end). `report_id` is None for one that has no report yet."""

    report_id: int | None
    start: datetime
    end: datetime


def chain(windows: Iterable[Window]) -> list[Window]:
    """The first window, then each that begins when the last one had ended; `windows` in the order they were judged.

    What was taken stays taken, so the chain only grows, and no later report changes what was concluded.
    """
    taken: list[Window] = []
    for window in windows:
        if not taken or window.start >= taken[-1].end:
            taken.append(window)
    return taken


class DriftWindows:
    """Reads drift_reports as windows of counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_version(
        self, model_name: str, model_version: str, profile: ReferenceProfile, current: Window, now: Counts, limit: int
    ) -> tuple[list[Counts], datetime | None]:
        """The newest `limit` successive windows as long as the current one, oldest first, and the end of the last.

        Args:
            model_name: whose reports.
            model_version: whose reports.
            profile: of that version; reports with other bins are left out.
            current: the window being judged, which has no report yet; one without rows is left out.
            now: its counts.
            limit: at most so many.
        """
        known = self._windows(model_name, model_version, current)
        taken = chain([*known, current] if any(c.any() for c in now.values()) else known)[-limit:]
        documents = self._documents([w.report_id for w in taken if w.report_id is not None])
        found = [now if w.report_id is None else counts_of(documents[w.report_id], profile) for w in taken]
        return [counts for counts in found if counts is not None], taken[-1].end if taken else None

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
    """A report's counts, exactly: shares times rows; None when it was made with other bins."""
    n_rows = int(document["n_current"])
    shares = {f["feature"]: [b["current_share"] for b in f["bins"]] for f in document["features"]}
    labels = {f["feature"]: [b["label"] for b in f["bins"]] for f in document["features"]}
    if any(labels.get(f.bins.feature) != list(f.bins.labels) for f in profile.with_score):
        return None
    return {name: np.rint(np.array(found) * n_rows).astype(np.int64) for name, found in shares.items()}
