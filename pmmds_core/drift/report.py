"""The stored drift report of one window.

Not here: writing and reading it (stores/monitoring/drift_reports.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class DriftReport:
    """A report on the window [window_start, window_end). `document` has the format of `drift compare --json`."""

    report_id: int
    model_name: str
    model_version: str
    window_start: datetime
    window_end: datetime
    n_reference: int
    n_current: int
    verdict: str
    n_drifted_features: int
    document: Mapping[str, Any]
    html_path: str
    run_id: str
    created_at: datetime
