"""Compares two data frames like `compare_files`, for notebooks and pipelines.

Not here: the comparison (compare.py), reading frames (stores/files/frames.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_core.drift.policy import DriftRule
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.compare import FileComparison, contract_of, judged, profile_of
from pmmds_core.stores.files.data_file import connect
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_core.stores.files.frames import open_frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pmmds_core.contracts.contract import Contract

REFERENCE, CURRENT = "reference", "current"
_FIELDS = {field.name for field in fields(FileOptions)}


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
    """Compare two data frames.

    The result is the same as for the Parquet files of the two frames. The arguments and errors are those of
    `compare_files`.
    """
    given, chosen = contract_of(contract), options or FileOptions()
    connection = connect()
    try:
        then, now = open_frame(connection, REFERENCE, reference), open_frame(connection, CURRENT, current)
        made, warning = profile_of(connection, then, now, given, columns, score, chosen)
        return judged(connection, then.path, now, made, given, score, chosen, rule, warning)
    except InputFileError as error:
        raise InputFileError(as_parameters(error.message), next_step=as_parameters(error.next_step)) from None
    finally:
        connection.close()


def as_parameters(sentence: str) -> str:
    """The sentence with the parameters of `compare_frames` and the fields of FileOptions for options such as --na."""

    def named(option: re.Match[str]) -> str:
        name = option[1]
        return f"FileOptions.{name}" if name in _FIELDS else f"the parameter {name}"

    return re.sub(r"(?<!\S)--([a-z]+)", named, sentence)
