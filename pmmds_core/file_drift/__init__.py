"""Compares two files or data frames for drift, without a deployment. Public API: `compare_files`, `compare_frames`.

Not here: the measures (drift/) and reading the files (stores/files/).
"""

from pmmds_core.file_drift.compare import compare_files
from pmmds_core.file_drift.frames import compare_frames

__all__ = ["compare_files", "compare_frames"]
