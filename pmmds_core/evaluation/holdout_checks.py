"""Checks that holdout rows are sufficient to evaluate a model, before metrics are computed.

Add a check here. Not here: choosing rows (training/split.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import EvaluationError
from pmmds_core.runtime.plurals import counted, plural
from pmmds_core.statistics.classification import MIN_ROWS_A_CLASS

if TYPE_CHECKING:
    import pandas as pd


def check_holdout(frame: pd.DataFrame, contract: Contract) -> None:
    """Reject holdout rows on which a ranking metric cannot be computed reliably.

    Raises:
        EvaluationError: missing labels, labels other than 0 and 1, too few rows of a class, or a missing value of a
            feature that is not nullable.
    """
    labels = frame[contract.label.name]
    n_missing = int(labels.isna().sum())
    if n_missing:
        raise _rejected(
            f"{n_missing:,} of {counted(len(frame), 'holdout row')} {plural(n_missing, 'has', 'have')} no label"
        )
    if not labels.isin([0, 1]).all():
        raise _rejected(f"the label {contract.label.name} has values other than 0 and 1")
    n_positive = int(labels.sum())
    n_negative = len(frame) - n_positive
    if min(n_positive, n_negative) == 0:
        raise _rejected(f"the label has a single value in the holdout ({counted(len(frame), 'row')})")
    if min(n_positive, n_negative) < MIN_ROWS_A_CLASS:
        raise _rejected(
            f"{counted(len(frame), 'holdout row')} with {n_positive} positive and {n_negative} negative are too few; "
            f"{MIN_ROWS_A_CLASS} of each class are required"
        )
    gaps = {f.name: int(frame[f.name].isna().sum()) for f in contract.features if not f.is_nullable}
    missing = ", ".join(f"{name} in {counted(n, 'row')}" for name, n in gaps.items() if n)
    if missing:
        raise _rejected(f"holdout rows lack values that the contract requires: {missing}")


def _rejected(why: str) -> EvaluationError:
    return EvaluationError(
        f"The champion and the challenger cannot be compared: {why}.",
        next_step="No decision was made. Send more labels and run `pmmds retrain` again.",
    )
