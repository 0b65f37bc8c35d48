"""Infers numeric features: whether the values are whole numbers, and a range with some slack.

Not here: deciding that a column is numeric (file_drift/column_kinds.py).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contract_inference import ids
from pmmds_core.contract_inference.ids import Numbers
from pmmds_core.contracts.contract import Blank, Feature
from pmmds_core.data.expectations import MIN_KNOWN_SHARE
from pmmds_core.file_drift.column_kinds import is_running_id
from pmmds_core.runtime.plurals import counted

# The largest magnitude up to which a float represents every integer.
_EXACT = 2**53


def describe(values: NDArray[np.float64]) -> Numbers:
    """Compute the statistics of the values, an array of shape (n_rows,) with NaN for blank cells."""
    known = np.sort(values[~np.isnan(values)])
    n_blank = len(values) - len(known)
    if not len(known) or not np.isfinite(known[[0, -1]]).all():
        return Numbers(len(values), n_blank, 0, 0, 0, 0, False, False, not len(known))
    return Numbers(
        n_rows=len(values),
        n_blank=n_blank,
        n_distinct=1 + int(np.count_nonzero(np.diff(known))),
        low=float(known[0]) + 0.0,  # -0.0 becomes 0.0
        high=float(known[-1]) + 0.0,
        example=float(known[len(known) // 2]),
        is_whole=bool(np.array_equal(known, np.floor(known)) and np.abs(known[[0, -1]]).max() <= _EXACT),
        is_running_id=is_running_id(values),
        is_finite=True,
    )


def reason_to_leave_out(numbers: Numbers, name: str) -> str:
    """Return the reason why a numeric column cannot be a feature, or an empty string if it can.

    `name` is the column's name in the contract.
    """
    if not numbers.is_finite:
        return "infinite numbers"
    n_known = numbers.n_rows - numbers.n_blank
    if n_known < MIN_KNOWN_SHARE * numbers.n_rows:
        return too_blank(numbers.n_blank, numbers.n_rows)
    if why := ids.reason_to_be_an_id(numbers, name):
        return why
    return f"{numbers.low:g} in every row" if numbers.n_distinct == 1 else ""


def too_blank(n_blank: int, n_rows: int) -> str:
    """Return the reason why a column with many blank cells cannot be a feature."""
    return f"blank in {n_blank:,} of {counted(n_rows, 'row')}; at least {MIN_KNOWN_SHARE:.0%} must have values"


def numeric_feature(
    numbers: Numbers, name: str, source: str, file_name: str, words: tuple[str, ...], is_float: bool
) -> Feature:
    """Return the feature for a numeric column.

    `words` has the column's own words for a blank cell. `is_float` is True if the file writes whole numbers with
    decimals.
    """
    is_integer = numbers.is_whole and not is_float
    low, high = slack_range(numbers.low, numbers.high)
    return Feature(
        name=name,
        source=source,
        kind="numeric",
        type="integer" if is_integer else "float",
        minimum=low,
        maximum=high,
        description=f"The column {source} of {file_name}.",
        example=str(int(numbers.example)) if is_integer else repr(numbers.example),
        blank=Blank(means="missing", written_as=words) if numbers.n_blank else None,
    )


def slack_range(low: float, high: float) -> tuple[float, float]:
    """Return a range for the feature that is wider than the observed one.

    The width of the observed range is added on both sides, and the limits are rounded outward to two digits. If no
    value is negative, the minimum stays 0. If no value is positive, the maximum stays 0. The range 0 to 1 is not
    changed.

    Args:
        low: the smallest value.
        high: the largest value, above `low`.
    """
    if (low, high) == (0, 1):
        return 0.0, 1.0
    width = high - low
    least = 0.0 if low >= 0 else _outward(low - width, math.floor)
    most = 0.0 if high <= 0 else _outward(high + width, math.ceil)
    # Rounding may move a limit inside the range if the range is narrow and far from 0.
    return least if least <= low else low - width, most if most >= high else high + width


def _outward(value: float, rounded_off: Callable[[float], int]) -> float:
    """Round `value` to two significant digits with math.floor or math.ceil."""
    if value == 0 or not math.isfinite(value):
        return math.copysign(sys.float_info.max, value) if value else 0.0
    exponent = math.floor(math.log10(abs(value))) - 1
    digits = round(value / 10.0**exponent, 6)  # 7.3 / 0.1 is 72.99999999999999
    return float(f"{rounded_off(digits)}e{exponent}")


def evidence_of(numbers: Numbers, feature: Feature, kind_reason: str) -> str:
    """Describe the observed values in one sentence without a period."""
    kind = "whole numbers" if feature.type == "integer" else "numbers"
    blank = f"{numbers.n_blank:,} blank" if numbers.n_blank else "none blank"
    return f"{numbers.n_distinct:,} different {kind}, {numbers.low:.10g} to {numbers.high:.10g}, {blank}{kind_reason}"
