"""Decides which columns of numbers are ids, so that they do not become features.

Not here: ids in text columns (file_drift/column_kinds.py), the statistics of a column (numeric.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pmmds_core.file_drift.column_kinds import MIN_IDS
from pmmds_core.runtime.plurals import counted

_ID_NAME = re.compile(r"(^|_)(id|ids|uuid|guid|key|no|nr|num|number|code)$")
# A column that is named like an identifier is treated as one if at least this share of its values is distinct.
MIN_DISTINCT_ID_SHARE = 0.5


@dataclass(frozen=True)
class Numbers:
    """The statistics of a numeric column. `example` is a value of the column near its median."""

    n_rows: int
    n_blank: int
    n_distinct: int
    low: float
    high: float
    example: float
    is_whole: bool
    is_running_id: bool
    is_finite: bool


def reason_to_be_an_id(numbers: Numbers, name: str) -> str:
    """Return the reason why a numeric column is an id, or an empty string if it is not one.

    `name` is the column's name in the contract.
    """
    if numbers.is_running_id:
        return "whole numbers that differ in every row, like a sequential id"
    n_known = numbers.n_rows - numbers.n_blank
    is_distinct = numbers.n_distinct >= max(MIN_IDS, MIN_DISTINCT_ID_SHARE * n_known)
    if numbers.is_whole and is_distinct and _ID_NAME.search(name):
        return (
            f"{numbers.n_distinct:,} different whole numbers in {counted(n_known, 'row')} and a name like an identifier"
        )
    return ""
