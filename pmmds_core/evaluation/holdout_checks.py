"""Whether rows can judge a model at all. A metric of rows that cannot is not computed, and never told as a number.

Add a reason here. Keep out: choosing rows (training/split.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd

# DeLong's variance is an average over the rows of each class.
MIN_ROWS_A_CLASS = 10


def check_holdout(frame: pd.DataFrame, contract: Contract) -> None:
    """Refuse holdout rows that no ranking can be judged on.

    Raises:
        EvaluationError: labels that are missing or neither 0 nor 1, too few rows of a class, or a value missing where
            the contract allows none.
    """
    labels = frame[contract.label.name]
    n_missing = int(labels.isna().sum())
    if n_missing:
        raise _refused(f"{n_missing} of {len(frame)} holdout rows have no label")
    if not labels.isin([0, 1]).all():
        raise _refused(f"the label {contract.label.name} has values other than 0 and 1")
    n_positive = int(labels.sum())
    n_negative = len(frame) - n_positive
    if min(n_positive, n_negative) == 0:
        raise _refused(f"all {len(frame)} holdout rows are of one class, so nothing can be ranked")
    if min(n_positive, n_negative) < MIN_ROWS_A_CLASS:
        raise _refused(
            f"{len(frame)} holdout rows with {n_positive} positive and {n_negative} negative are too few; "
            f"{MIN_ROWS_A_CLASS} of each class are needed"
        )
    gaps = {f.name: int(frame[f.name].isna().sum()) for f in contract.features if not f.is_nullable}
    told = ", ".join(f"{name} in {n} rows" for name, n in gaps.items() if n)
    if told:
        raise _refused(f"holdout values are missing where the contract allows none: {told}")


def _refused(why: str) -> EvaluationError:
    return EvaluationError(
        f"Champion and challenger cannot be compared: {why}.",
        next_step="Nothing was decided; bring in more labelled rows and run `pmmds retrain` again.",
    )
