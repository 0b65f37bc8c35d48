"""Kinds of a file's columns: from the contract, or inferred from the reference. Every inference is reported.

Not here: SQL (stores/files/column_sql.py) and counting (stores/files/duckdb_counts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmmds_core.errors import InputFileError
from pmmds_core.profiling.bins import number_of
from pmmds_core.stores.files.column_sql import TIMESTAMP_TYPES, Kind, is_number

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract
    from pmmds_core.stores.files.data_file import DataFile, FileColumn
    from pmmds_core.stores.files.duckdb_counts import CategoryCounts

# Without a contract, only this many most frequent categories of a column have their own bin.
MAX_CATEGORIES = 100
# A column whose most frequent values cover a smaller share of the rows is an identifier.
MIN_SHARE_IN_BINS = 0.1
SHOWN = 8


@dataclass(frozen=True)
class ColumnNote:
    """The kind of a column, None if the column is excluded; and the reason."""

    column: str
    kind: Kind | None
    why: str


def kind_of_type(column: FileColumn) -> ColumnNote | None:
    """The kind by type alone; None for text, whose kind depends on its values."""
    if is_number(column):
        return ColumnNote(column.name, "numeric", column.type.lower())
    if column.type == "BOOLEAN":
        return ColumnNote(column.name, "categorical", "boolean")
    if column.type.startswith(TIMESTAMP_TYPES):
        return ColumnNote(column.name, None, "a timestamp, which always differs between files")
    if column.type in {"VARCHAR", "UUID"} or column.type.startswith("ENUM"):
        return None
    return ColumnNote(column.name, None, f"unsupported type {column.type.split('(')[0].lower()}")


def kind_of_values(column: FileColumn, values: CategoryCounts) -> ColumnNote | None:
    """The kind of a text column by its values; None if it has more than MAX_CATEGORIES values (kind_of_many_values)."""
    numbers = [number_of(value) for value in values.counts]
    if not numbers:
        return ColumnNote(column.name, "categorical", "no values")
    if values.n_other_values:
        return None
    if all(n is not None for n in numbers):
        return ColumnNote(column.name, "numeric", f"text, {len(numbers)} distinct numbers")
    return ColumnNote(column.name, "categorical", f"text, {len(numbers)} categories")


def kind_of_many_values(
    file: DataFile, column: FileColumn, values: CategoryCounts, n_texts: int, n_numbers: int
) -> ColumnNote:
    """The kind of a text column with more than MAX_CATEGORIES values.

    Raises:
        InputFileError: mostly numbers mixed with other text, so that the intended kind is unclear.
    """
    if n_texts == 0:
        return ColumnNote(column.name, "numeric", "text, all values are numbers")
    if n_numbers >= n_texts:
        raise InputFileError(
            f"{file.path}: the column {column.name!r} mixes {n_numbers:,} numbers with {n_texts:,} other values.",
            next_step="Fix the file, or define the column in a contract (--contract).",
        )
    n_values = len(values.counts) + values.n_other_values
    share = sum(values.counts.values()) / file.n_rows
    text = f"text, {n_values:,} categories: the {len(values.counts)} most frequent ones cover {share:.0%} of the rows"
    if share < MIN_SHARE_IN_BINS:
        return ColumnNote(column.name, None, f"{text}, like an identifier")
    return ColumnNote(column.name, "categorical", f"{text}, other values count as (unseen)")


def columns_by_contract(file: DataFile, contract: Contract) -> dict[str, FileColumn]:
    """The file's column for each feature: its source name, else its name in the contract.

    Raises:
        InputFileError: a column is missing.
    """
    present = file.by_name
    found = {f.name: next((present[n] for n in (f.source, f.name) if n in present), None) for f in contract.features}
    missing = [f.source for f in contract.features if found[f.name] is None]
    if missing:
        raise InputFileError(
            f"{file.path} does not match the contract {contract.name!r}: missing columns {_listed(missing)}; "
            f"the file has {_listed(list(present))}.",
            next_step="Use a file and a contract that match.",
        )
    return {name: column for name, column in found.items() if column is not None}


def columns_by_name(file: DataFile, wanted: Sequence[str], where: str) -> dict[str, FileColumn]:
    """The columns named `wanted`. `where`: the file that has them, for messages.

    Raises:
        InputFileError: a column is missing.
    """
    present = file.by_name
    missing = [name for name in wanted if name not in present]
    if missing:
        raise InputFileError(
            f"{file.path} lacks columns that {where} has: {_listed(missing)}.",
            next_step="Compare files with the same columns, or select columns with --columns.",
        )
    return {name: present[name] for name in wanted}


def reject_other_columns(reference: DataFile, current: DataFile) -> None:
    """Raise InputFileError if the current file has a column that the reference lacks."""
    more = [c.name for c in current.columns if c.name not in reference.by_name]
    if more:
        raise InputFileError(
            f"{current.path} has columns that {reference.path} lacks: {_listed(more)}.",
            next_step="Compare files with the same columns, or select columns with --columns.",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
