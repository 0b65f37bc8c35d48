"""Compare two files for drift: needs no deployment. `compare_files` is public.

The measures are in drift/, reading files in stores/files/.
"""

from pmmds_core.file_drift.compare import compare_files

__all__ = ["compare_files"]
