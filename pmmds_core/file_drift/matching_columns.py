"""Finds the columns of a file that belong to a contract's features or to a reference's columns.

Not here: the kinds of columns (column_kinds.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pmmds_core.errors import InputFileError
from pmmds_core.stores.files.file_options import listed

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract
    from pmmds_core.stores.files.data_file import DataFile, FileColumn


def columns_by_contract(file: DataFile, contract: Contract) -> dict[str, FileColumn]:
    """Return the file's column for each feature.

    A column has the feature's source name or, failing that, its name in the contract.

    Raises:
        InputFileError: a column is missing.
    """
    present = file.by_name
    found = {f.name: next((present[n] for n in (f.source, f.name) if n in present), None) for f in contract.features}
    missing = [f.source for f in contract.features if found[f.name] is None]
    if missing:
        raise InputFileError(
            f"{file.path} does not match the contract {contract.name!r}. Missing columns: {listed(missing)}. "
            f"The file has {listed(present)}.",
            next_step="Use a file and a contract that match.",
        )
    return {name: column for name, column in found.items() if column is not None}


def columns_by_name(file: DataFile, wanted: Sequence[str], where: str) -> dict[str, FileColumn]:
    """Return the columns named `wanted`. `where` is the file that has these columns, for use in messages.

    Raises:
        InputFileError: a column is missing.
    """
    present = file.by_name
    missing = [name for name in wanted if name not in present]
    if missing:
        raise InputFileError(
            f"{file.path} lacks columns that {where} has: {listed(missing)}.",
            next_step="Compare the same columns: select them with --columns, or leave columns out with --ignore.",
        )
    return {name: present[name] for name in wanted}


def additional_columns(reference: DataFile, current: DataFile) -> str:
    """Return a warning that names the columns of the current file that the reference lacks.

    The warning is empty if there are no such columns.
    """
    more = [c.name for c in current.columns if c.name not in reference.by_name]
    if not more:
        return ""
    return f"Warning: {current.name} has columns that {reference.name} lacks, which are not compared: {listed(more)}."
