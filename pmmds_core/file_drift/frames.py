"""Compares two data frames like `compare_files`, for notebooks and pipelines.

Not here: the comparison (compare.py), reading frames (stores/files/frames.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_core.drift.policy import DriftRule
from pmmds_core.file_drift.compare import FileComparison, contract_of, judged, profile_of
from pmmds_core.stores.files.data_file import connect
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_core.stores.files.frames import open_frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pmmds_core.contracts.contract import Contract

REFERENCE, CURRENT = "reference", "current"


def compare_frames(
    reference: pd.DataFrame | pa.Table,
    current: pd.DataFrame | pa.Table,
    *,
    contract: Contract | str | Path | None = None,
    columns: Sequence[str] = (),
    score: str = "",
    rule: DriftRule | None = None,
    options: FileOptions | None = None,
) -> FileComparison:
    """The comparison of both frames, equal to that of their Parquet files. Arguments and errors: `compare_files`."""
    given, chosen = contract_of(contract), options or FileOptions()
    connection = connect()
    try:
        then, now = open_frame(connection, REFERENCE, reference), open_frame(connection, CURRENT, current)
        made, warning = profile_of(connection, then, now, given, columns, score, chosen)
        return judged(connection, then.path, now, made, given, score, chosen, rule, warning)
    finally:
        connection.close()
