"""A file of labels as label items: request_id, label, observed_at. All of it is right, or nothing is taken.

Keep out: storing them (labels.py), reading CSV and Parquet (data/text_table.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import label_meaning
from pmmds_core.data.text_table import N_EXAMPLES, TextTable, read_table
from pmmds_core.errors import DataError, InputFileError
from pmmds_core.stores.predictions.label_history import LabelItem, is_out_of_range, range_words

COLUMNS = ("request_id", "label", "observed_at")
_MAX_ID = 128


def read_labels(path: Path, contract: Contract) -> list[LabelItem]:
    """The labels of a CSV or Parquet file, in its order; other columns are ignored.

    A label is one of the contract's two words, or 0 or 1 unless the contract gives these another sense. An instant
    without an offset is UTC.

    Raises:
        InputFileError: the file cannot be read, lacks a column, or a row is wrong; the first few are named.
    """
    try:
        table = read_table(path)
    except DataError as error:
        raise InputFileError(error.message, next_step=_HOW) from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputFileError(f"{table.name} has no column {', '.join(missing)}.", next_step=_HOW)
    words = label_meaning(contract.label)
    items, wrong, now = [], [], datetime.now(UTC)
    for number, *cells in zip(table.row_numbers, *(table.columns[c] for c in COLUMNS), strict=True):
        try:
            items.append(_item(cells, words, now))
        except ValueError as error:
            wrong.append(f"{table.row_word} {number}: {error}")
    if wrong:
        raise _refused(table, wrong)
    return items


_HOW = f"Expected a CSV or Parquet file with the columns {', '.join(COLUMNS)}."


def _item(cells: list[str], words: Mapping[str, int], now: datetime) -> LabelItem:
    request_id, label, observed_at = cells
    if not 0 < len(request_id) <= _MAX_ID:
        raise ValueError(f"request_id has {len(request_id)} characters, expected 1 to {_MAX_ID}")
    word = label if label in words else label.removesuffix(".0")  # programs write whole numbers so, beside gaps
    if word not in words:
        raise ValueError(f"label {label!r}, expected one of {', '.join(sorted(words))}")
    return LabelItem(request_id, words[word], _instant(observed_at, now))


def _instant(text: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # the years 1 to 9999 end elsewhere in UTC
        raise ValueError(f"observed_at {text!r}, expected an ISO 8601 instant like 2026-03-01T12:00:00Z") from None
    if is_out_of_range(found, now):
        raise ValueError(f"observed_at {text!r}, expected {range_words(now)}")
    return found


def _refused(table: TextTable, wrong: list[str]) -> InputFileError:
    more = f" and {len(wrong) - N_EXAMPLES} more" if len(wrong) > N_EXAMPLES else ""
    return InputFileError(
        f"{table.name}: {len(wrong)} of {table.n_rows} rows are wrong; {'; '.join(wrong[:N_EXAMPLES])}{more}.",
        next_step="Nothing was imported; mend the file and import it again.",
    )
