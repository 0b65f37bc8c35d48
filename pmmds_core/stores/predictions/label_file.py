"""Reads label items (request_id, label, observed_at) from a file, and rejects the whole file if any row is invalid.

Not here: storing them (labels.py), reading CSV and Parquet (data/text_table.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.label_words import LabelWords
from pmmds_core.data.text_table import N_EXAMPLES, TextTable, read_table
from pmmds_core.errors import DataError, InputFileError
from pmmds_core.runtime.progress import Progress, no_progress
from pmmds_core.runtime.timestamps import InvalidTimestampError, TimestampRange
from pmmds_core.stores.predictions.label_history import LabelItem

COLUMNS = ("request_id", "label", "observed_at")
_MAX_ID = 128


def read_labels(
    path: Path, contract: Contract, timestamps: TimestampRange, on_progress: Progress = no_progress
) -> list[LabelItem]:
    """Read the labels from a CSV or Parquet file in the order of its rows, ignoring other columns.

    Args:
        path: the path of the file.
        contract: the contract that defines the label's values (see contracts/label_words.py).
        timestamps: the range of accepted timestamps.
        on_progress: called with the number of rows that were read.

    Raises:
        InputFileError: if the file cannot be read, lacks a column or has invalid rows. The message lists the first few
            invalid rows.
    """
    try:
        table = read_table(path)
    except DataError as error:
        raise InputFileError(error.message, next_step=_HOW) from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputFileError(f"{table.name} has no column {', '.join(missing)}.", next_step=_HOW)
    words = LabelWords(contract.label)
    items, invalid, now = [], [], datetime.now(UTC)
    for number, *cells in zip(table.row_numbers, *(table.columns[c] for c in COLUMNS), strict=True):
        try:
            items.append(_item(cells, words, timestamps, now))
        except ValueError as error:
            invalid.append(f"{table.row_word} {number}: {error}")
        on_progress(len(items) + len(invalid), table.n_rows)
    if invalid:
        raise _invalid_rows(table, invalid)
    return items


_HOW = f"Expected a CSV or Parquet file with the columns {', '.join(COLUMNS)}."


def _item(cells: list[str], words: LabelWords, timestamps: TimestampRange, now: datetime) -> LabelItem:
    request_id, label, observed_at = cells
    if not 0 < len(request_id) <= _MAX_ID:
        raise ValueError(f"request_id has {len(request_id)} characters, expected 1 to {_MAX_ID}")
    code = words.code_of(label)
    if code is None:
        raise ValueError(f"label {label!r}, expected {words.expected}")
    try:
        return LabelItem(request_id, code, timestamps.parse(observed_at, now))
    except InvalidTimestampError as error:
        raise ValueError(f"observed_at {observed_at!r}, {error}") from None


def _invalid_rows(table: TextTable, invalid: list[str]) -> InputFileError:
    more = f" and {len(invalid) - N_EXAMPLES} more" if len(invalid) > N_EXAMPLES else ""
    return InputFileError(
        f"{table.name}: {len(invalid)} of {table.n_rows} rows are invalid; {'; '.join(invalid[:N_EXAMPLES])}{more}.",
        next_step="No labels were imported. Fix the file and retry.",
    )
