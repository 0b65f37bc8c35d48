"""What the columns of a file are: by the contract, or by what the reference holds. Every conclusion is kept and shown.

Add a rule of inference here. Keep out: SQL (stores/files/column_sql.py), counting (stores).
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

# Categories of a column without a contract that have a bin of their own; the most frequent ones.
MAX_CATEGORIES = 100
# A column whose frequent values together hold less is told apart by almost every row: an identifier.
MIN_SHARE_IN_BINS = 0.1
SHOWN = 8


@dataclass(frozen=True)
class ColumnNote:
    """What was concluded about a column: its kind, None where it is left out, and why."""

    column: str
    kind: Kind | None
    why: str


def kind_of_type(column: FileColumn) -> ColumnNote | None:
    """What the type alone says; None for text, of which the values have to be looked at."""
    if is_number(column):
        return ColumnNote(column.name, "numeric", column.type.lower())
    if column.type == "BOOLEAN":
        return ColumnNote(column.name, "categorical", "boolean")
    if column.type.startswith(TIMESTAMP_TYPES):
        return ColumnNote(column.name, None, "an instant: later rows differ in it by nature")
    if column.type in {"VARCHAR", "UUID"} or column.type.startswith("ENUM"):
        return None
    return ColumnNote(column.name, None, f"its type {column.type.split('(')[0].lower()} has no bins")


def kind_of_values(column: FileColumn, values: CategoryCounts) -> ColumnNote | None:
    """What the values of a text column say; None where there are too many to look at here (then all are counted)."""
    known = [number_of(value) for value in values.counts]
    if not known:
        return ColumnNote(column.name, "categorical", "no values")
    if values.n_other_values:
        return None
    if all(n is not None for n in known):
        return ColumnNote(column.name, "numeric", f"text, {len(known)} different numbers")
    return ColumnNote(column.name, "categorical", f"text, {len(known)} categories")


def kind_of_many_values(
    file: DataFile, column: FileColumn, values: CategoryCounts, n_texts: int, n_numbers: int
) -> ColumnNote:
    """What a text column with more than MAX_CATEGORIES values is.

    Raises:
        InputFileError: numbers with text among them: either could be a mistake.
    """
    if n_texts == 0:
        return ColumnNote(column.name, "numeric", "text, every value a number")
    if n_numbers >= n_texts:
        raise InputFileError(
            f"{file.path}: the column {column.name!r} mixes {n_numbers:,} numbers with {n_texts:,} other values.",
            next_step="Mend the file, or say by --contract what the column is.",
        )
    n_values = len(values.counts) + values.n_other_values
    share = sum(values.counts.values()) / file.n_rows
    told = f"text, {n_values:,} categories: the {len(values.counts)} most frequent ones hold {share:.0%} of the rows"
    if share < MIN_SHARE_IN_BINS:
        return ColumnNote(column.name, None, f"{told}, as in an identifier")
    return ColumnNote(column.name, "categorical", f"{told}, the others count as (unseen)")


def columns_by_contract(file: DataFile, contract: Contract) -> dict[str, FileColumn]:
    """The file's column of each feature: by its source name first, then by the contract's name.

    Raises:
        InputFileError: a column is missing.
    """
    present = file.by_name
    found = {f.name: next((present[n] for n in (f.source, f.name) if n in present), None) for f in contract.features}
    missing = [f.source for f in contract.features if found[f.name] is None]
    if missing:
        raise InputFileError(
            f"{file.path} does not fit the contract {contract.name!r}: it lacks {_listed(missing)}; "
            f"it has {_listed(list(present))}.",
            next_step="Name a file and a contract that belong together.",
        )
    return {name: column for name, column in found.items() if column is not None}


def columns_by_name(file: DataFile, wanted: Sequence[str], where: str) -> dict[str, FileColumn]:
    """The columns named `wanted`, which `where` has.

    Raises:
        InputFileError: the file lacks one.
    """
    present = file.by_name
    missing = [name for name in wanted if name not in present]
    if missing:
        raise InputFileError(
            f"{file.path} lacks columns that {where} has: {_listed(missing)}.",
            next_step="Compare files with the same columns, or name those to compare with --columns.",
        )
    return {name: present[name] for name in wanted}


def refuse_other_columns(reference: DataFile, current: DataFile) -> None:
    """Raises InputFileError when the current file has a column that the reference lacks."""
    more = [c.name for c in current.columns if c.name not in reference.by_name]
    if more:
        raise InputFileError(
            f"{current.path} has columns that {reference.path} lacks: {_listed(more)}.",
            next_step="Compare files with the same columns, or name those to compare with --columns.",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
