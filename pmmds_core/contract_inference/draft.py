"""An inferred contract with the evidence for each guess.

Not here: inferring it (infer.py), its text (contract_text.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pmmds_core.contracts.contract import Contract, Feature, FeatureValue, Label

# The evidence for a column that identifies each row.
UNIQUE = "a different value in every row"


@dataclass(frozen=True)
class ColumnDraft:
    """A column of the file.

    `feature` is None if the column is left out. `evidence` is one sentence without a period. `is_row_id` is True if the
    column can identify rows, because its values differ in every row and none of them is blank.
    """

    source: str
    feature: Feature | None
    evidence: str
    is_row_id: bool = False


@dataclass(frozen=True)
class LabelDraft:
    """The inferred label.

    `evidence` is one sentence without a period. `codes` maps the text of a cell to the class.
    """

    label: Label
    evidence: str
    codes: dict[str, int]
    positive_share: float


@dataclass(frozen=True)
class ContractDraft:
    """An inferred contract.

    `columns`: all columns except the label, in the file's order. `example`: the features of a row of the file.
    """

    contract: Contract
    label: LabelDraft
    columns: tuple[ColumnDraft, ...]
    file_name: str
    n_rows: int
    warnings: tuple[str, ...] = ()
    example: Mapping[str, FeatureValue] = field(default_factory=dict)

    @property
    def left_out(self) -> tuple[ColumnDraft, ...]:
        """The columns that are neither features nor the row id."""
        return tuple(c for c in self.columns if c.feature is None and c.source != self.contract.row_id)
