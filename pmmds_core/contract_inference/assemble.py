"""Assembles the inferred label and columns into a draft of the contract.

Not here: the columns (infer.py), the label (label.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pmmds_core.contract_inference.draft import ColumnDraft, ContractDraft, LabelDraft
from pmmds_core.contract_inference.names import snake_name
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.expectations import MIN_CLASS_SHARE
from pmmds_core.data.text_table import TextTable
from pmmds_core.errors import InputFileError


def assembled(path: Path, table: TextTable, label: LabelDraft, columns: Sequence[ColumnDraft]) -> ContractDraft:
    """Return the draft of the contract. Raise InputFileError if no column can be a feature."""
    features = tuple(c.feature for c in columns if c.feature is not None)
    if not features:
        reasons = "; ".join(f"{c.source!r}: {c.evidence}" for c in columns[:4]) or "it has no other column"
        raise InputFileError(
            f"{path} has no column besides the label that can be a feature ({reasons}).",
            next_step="Add columns that describe a row, or set the kind of a column with --categorical or --numeric.",
        )
    name = snake_name(path.name.partition(".")[0], "data")
    contract = Contract(
        name=name,
        model_name=f"{name.replace('_', '-')}-classifier",
        description=f"Prediction of {label.label.source} = {label.label.positive} from {path.name}.",
        label=label.label,
        features=features,
        row_id=_row_id(columns),
    )
    return ContractDraft(contract, label, tuple(columns), path.name, table.n_rows, _warnings(label))


def _row_id(columns: Sequence[ColumnDraft]) -> str:
    """Return the column to use as the row id.

    This is the first column that identifies rows and has `id` in its name or, if there is none, the first column that
    identifies rows.
    """
    candidates = [c.source for c in columns if c.is_row_id]
    named = [source for source in candidates if "id" in snake_name(source, "").split("_")]
    return next(iter(named or candidates), "")


def _warnings(label: LabelDraft) -> tuple[str, ...]:
    share = min(label.positive_share, 1 - label.positive_share)
    if share >= MIN_CLASS_SHARE:
        return ()
    sentence = (
        f"Only {share:.2%} of the rows belong to the rarer class; data validation requires {MIN_CLASS_SHARE:.0%}, so "
        "pmmds train needs --no-validate."
    )
    return (sentence,)
