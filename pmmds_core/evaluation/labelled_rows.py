"""Labeled production rows as arrays and as a data frame.

Not here: reading them from the database (stores/predictions/labels.py), metrics
(statistics/classification.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract, Feature

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelledRows:
    """Logged rows with their labels, oldest prediction first.

    Every array has shape (n_rows,). `predicted_at` is datetime64[us] in UTC. `columns` has the values of each feature,
    as float64 with NaN or object with None.
    """

    request_ids: NDArray[np.object_]
    predicted_at: NDArray[np.datetime64]
    model_versions: NDArray[np.object_]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]

    @property
    def n_rows(self) -> int:
        return len(self.labels)

    def to_frame(self, contract: Contract) -> pd.DataFrame:
        """Return the features and the label with the column types of `source_data.SourceData.frame`."""
        import pandas as pd

        columns = {f.name: _as_integers(f, self.columns[f.name]) for f in contract.features}
        return pd.DataFrame({**columns, contract.label.name: self.labels})


def _as_integers(feature: Feature, values: NDArray[Any]) -> NDArray[Any]:
    """Convert the column to int64 if its feature is a non-nullable integer and no value is missing.

    Other columns are returned unchanged.
    """
    is_integer = feature.type == "integer" and not feature.is_nullable and not np.isnan(values).any()
    return values.astype(np.int64) if is_integer else values
