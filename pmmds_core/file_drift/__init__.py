"""Compare two files for drift, without a deployment. Public API: `compare_files`.

Not here: the measures (drift/) and reading the files (stores/files/).
"""

from pmmds_core.file_drift.compare import compare_files

__all__ = ["compare_files"]
