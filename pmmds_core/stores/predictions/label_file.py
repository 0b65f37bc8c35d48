"""Reads label items (request_id, label, observed_at) from a file; rejects the file if any row is invalid.

Not here: storing them (labels.py), reading CSV and Parquet (data/text_table.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import label_meaning
from pmmds_core.data.text_table import N_EXAMPLES, TextTable, read_table
from pmmds_core.errors import DataError, InputFileError
from pmmds_core.stores.predictions.label_history import LabelItem, expected_range, is_out_of_range

COLUMNS = ("request_id", "label", "observed_at")
_MAX_ID = 128


def read_labels(path: Path, contract: Contract) -> list[LabelItem]:
    """Read the labels of a CSV or Parquet file, in its order; other columns are ignored.

    A label is one of the contract's two values, or 0 or 1 unless the contract uses these differently. A timestamp
    without an offset is UTC.

    Raises:
        InputFileError: the file cannot be read, lacks a column or has invalid rows; the first few are named.
    """
    try:
        table = read_table(path)
    except DataError as error:
        raise InputFileError(error.message, next_step=_HOW) from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputFileError(f"{table.name} has no column {', '.join(missing)}.", next_step=_HOW)
    meaning = label_meaning(contract.label)
    items, invalid, now = [], [], datetime.now(UTC)
    for number, *cells in zip(table.row_numbers, *(table.columns[c] for c in COLUMNS), strict=True):
        try:
            items.append(_item(cells, meaning, now))
        except ValueError as error:
            invalid.append(f"{table.row_word} {number}: {error}")
    if invalid:
        raise _invalid_rows(table, invalid)
    return items


_HOW = f"Expected a CSV or Parquet file with the columns {', '.join(COLUMNS)}."


def _item(cells: list[str], meaning: Mapping[str, int], now: datetime) -> LabelItem:
    request_id, label, observed_at = cells
    if not 0 < len(request_id) <= _MAX_ID:
        raise ValueError(f"request_id has {len(request_id)} characters, expected 1 to {_MAX_ID}")
    value = label if label in meaning else label.removesuffix(".0")  # as pandas writes integers with missing values
    if value not in meaning:
        raise ValueError(f"label {label!r}, expected one of {', '.join(sorted(meaning))}")
    return LabelItem(request_id, meaning[value], _timestamp(observed_at, now))


def _timestamp(text: str, now: datetime) -> datetime:
    try:
        timestamp = datetime.fromisoformat(text)
        timestamp = timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp.astimezone(UTC)
    except (ValueError, OverflowError):  # after conversion to UTC it may lie outside the years 1 to 9999
        raise ValueError(f"observed_at {text!r}, expected an ISO 8601 timestamp like 2026-03-01T12:00:00Z") from None
    if is_out_of_range(timestamp, now):
        raise ValueError(f"observed_at {text!r}, expected {expected_range(now)}")
    return timestamp


def _invalid_rows(table: TextTable, invalid: list[str]) -> InputFileError:
    more = f" and {len(invalid) - N_EXAMPLES} more" if len(invalid) > N_EXAMPLES else ""
    return InputFileError(
        f"{table.name}: {len(invalid)} of {table.n_rows} rows are invalid; {'; '.join(invalid[:N_EXAMPLES])}{more}.",
        next_step="No labels were imported. Fix the file and retry.",
    )
