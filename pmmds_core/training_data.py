"""Which rows are trained on and which are held out; and the proof that the two do not meet.

Reference rows fall to one side by a seeded hash of their content, so the same row always falls to the same side.
Production rows with labels are split by time: the newest are the holdout of a retraining, new to both models.
Keep out: reading and writing the rows (stores) and fitting (training.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import TrainingError
from pmmds_core.holdout_checks import MIN_ROWS_A_CLASS
from pmmds_core.source_data import row_digests

if TYPE_CHECKING:
    import pandas as pd

Digests = NDArray[np.int64]
HoldoutKind = Literal["reference", "production"]


@dataclass(frozen=True)
class SplitPlan:
    """How to split. Shares are of 1; `min_labels` counts labelled rows that the champion was not trained on."""

    seed: int
    reference_holdout_share: float
    production_holdout_share: float
    min_labels: int


@dataclass(frozen=True)
class TrainingData:
    """Rows to fit on and rows to judge on, with how they came about. Frames: features and label, contract's order."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    holdout_kind: HoldoutKind
    n_reference_train: int
    n_production_train: int
    n_new_labels: int
    n_dropped_duplicates: int


@dataclass(frozen=True)
class TooFewLabels:
    """Why there is nothing to judge a retraining on."""

    n_new_labels: int
    min_labels: int
    reason: str


@dataclass(frozen=True)
class LeakageCheck:
    """How many holdout rows were trained on, by which model; sound when there are none."""

    n_holdout_rows: int
    n_in_challenger_training: int
    n_in_champion_training: int

    @property
    def is_clean(self) -> bool:
        return self.n_in_challenger_training == 0 and self.n_in_champion_training == 0


def split_reference(frame: pd.DataFrame, champion_rows: Digests, contract: Contract, plan: SplitPlan) -> TrainingData:
    """The split without production rows: a seeded share of the reference held out.

    Rows that the champion was trained on (under another seed or share) are not held out, for it would know them.
    """
    digests = _digests(frame, contract)
    falls_out = falls_to_holdout(digests, plan.seed, plan.reference_holdout_share)
    holdout = frame[falls_out & ~np.isin(digests, champion_rows)]
    if holdout[contract.label.name].nunique() < 2:
        raise TrainingError(
            f"Of {len(frame)} reference rows {len(holdout)} can be held out, and not both classes are among them.",
            next_step="Give more reference rows, or raise PMMDS_TRAIN_HOLDOUT_SHARE.",
        )
    train = frame[~falls_out]
    return TrainingData(train, holdout, "reference", len(train), 0, 0, 0)


def split_with_labels(
    reference: pd.DataFrame, labelled: pd.DataFrame, champion_rows: Digests, contract: Contract, plan: SplitPlan
) -> TrainingData | TooFewLabels:
    """The split of a retraining.

    Args:
        reference: reference rows.
        labelled: production rows with their true labels, oldest first.
        champion_rows: (n,) digests of the rows the champion was trained on.
        contract: names the columns.
        plan: shares and the least number of labels.

    Returns:
        The newest labelled rows as holdout, all else as training rows; or why that cannot be.
    """
    labelled_digests = _digests(labelled, contract)
    is_new = ~np.isin(labelled_digests, champion_rows)
    n_new = int(is_new.sum())
    if n_new < plan.min_labels:
        return TooFewLabels(n_new, plan.min_labels, _too_few(n_new, plan.min_labels))
    n_holdout = max(1, round(n_new * plan.production_holdout_share))
    position = np.flatnonzero(is_new)[-n_holdout:]
    holdout = labelled.iloc[position]
    unfit = _why_unfit(holdout[contract.label.name])
    if unfit:
        return TooFewLabels(n_new, plan.min_labels, f"The newest {n_holdout} labelled rows {unfit}.")
    return _assemble(reference, labelled, position, n_new, contract, plan)


def _why_unfit(labels: pd.Series[int]) -> str:
    """Why no model can be judged on rows with these labels, before one is trained in vain; empty when one can."""
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if min(n_positive, n_negative) == 0:
        return "are all of one class, so nothing can be ranked"
    if min(n_positive, n_negative) < MIN_ROWS_A_CLASS:
        found = f"are {n_positive} positive and {n_negative} negative ones"
        return f"{found}; {MIN_ROWS_A_CLASS} of each class are needed to judge a model"
    return ""


def _assemble(
    reference: pd.DataFrame,
    labelled: pd.DataFrame,
    position: NDArray[np.int64],
    n_new: int,
    contract: Contract,
    plan: SplitPlan,
) -> TrainingData:
    import pandas as pd

    holdout = labelled.iloc[position]
    held_out = _digests(holdout, contract)
    older = labelled.drop(labelled.index[position])
    kept_reference = reference[
        ~falls_to_holdout(_digests(reference, contract), plan.seed, plan.reference_holdout_share)
    ]
    kept_reference, n_first = _without(kept_reference, held_out, contract)
    older, n_second = _without(older, held_out, contract)
    train = pd.concat([kept_reference, older], ignore_index=True)
    return TrainingData(train, holdout, "production", len(kept_reference), len(older), n_new, n_first + n_second)


def _without(frame: pd.DataFrame, digests: Digests, contract: Contract) -> tuple[pd.DataFrame, int]:
    """`frame` less the rows whose content is in `digests`, and how many those were."""
    is_held_out = np.isin(_digests(frame, contract), digests)
    return frame[~is_held_out], int(is_held_out.sum())


def falls_to_holdout(digests: Digests, seed: int, share: float) -> NDArray[np.bool_]:
    """(n,) bool: a fixed, seeded share of the digests; equal digests fall alike."""
    mixed = digests.astype(np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is the point (splitmix64's finaliser)
        mixed = mixed + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (mixed ^ (mixed >> np.uint64(31))) / np.float64(2**64)
    chosen: NDArray[np.bool_] = uniform < share
    return chosen


def check_leakage(
    holdout: pd.DataFrame, challenger_rows: Digests, champion_rows: Digests, contract: Contract
) -> LeakageCheck:
    """Count the holdout rows whose content either model was trained on."""
    digests = _digests(holdout, contract)
    return LeakageCheck(
        n_holdout_rows=len(holdout),
        n_in_challenger_training=int(np.isin(digests, challenger_rows).sum()),
        n_in_champion_training=int(np.isin(digests, champion_rows).sum()),
    )


def _digests(frame: pd.DataFrame, contract: Contract) -> Digests:
    return row_digests(frame, contract.feature_names)


def _too_few(found: int, needed: int) -> str:
    return f"{found} labelled rows that the champion was not trained on; {needed} are needed."
