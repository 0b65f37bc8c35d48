"""Splits rows into training and holdout, and checks that the two do not overlap.

Reference rows are split by a seeded hash of their identity (data/row_identity.py), so a row is always on the same side.
Labeled production rows are split by time: the newest are the holdout of a retraining, new to both models.
Not here: reading and writing rows (stores), fitting (pipelines.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.row_identity import ROW_KEY, keys_of
from pmmds_core.data.seeded_sampling import seeded_uniform
from pmmds_core.errors import TrainingError
from pmmds_core.runtime.plurals import counted, plural
from pmmds_core.statistics.classification import MIN_ROWS_A_CLASS
from pmmds_core.training.mix import EVERYTHING, LeftOut, MixSettings, mix_rows

if TYPE_CHECKING:
    import pandas as pd

Digests = NDArray[np.int64]
HoldoutKind = Literal["reference", "production"]


@dataclass(frozen=True)
class SplitPlan:
    """The settings for splitting the rows.

    `min_labels` is the required number of labeled rows that the champion was not trained on.
    """

    seed: int
    reference_holdout_share: float
    production_holdout_share: float
    min_labels: int
    mix: MixSettings = EVERYTHING


@dataclass(frozen=True)
class TrainingData:
    """The training and holdout rows with their origin.

    Each frame has the features and the label in the contract's order. `left_out` has the rows that are in neither
    frame, with the reasons.
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    holdout_kind: HoldoutKind
    n_reference_train: int
    n_production_train: int
    n_new_labels: int
    n_dropped_duplicates: int
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class TooFewLabels:
    """The reason why there are too few labels for a retraining."""

    n_new_labels: int
    min_labels: int
    reason: str


@dataclass(frozen=True)
class LeakageCheck:
    """The number of holdout rows that each model was trained on."""

    n_holdout_rows: int
    n_in_challenger_training: int
    n_in_champion_training: int

    @property
    def is_clean(self) -> bool:
        return self.n_in_challenger_training == 0 and self.n_in_champion_training == 0


def split_reference(frame: pd.DataFrame, champion_rows: Digests, contract: Contract, plan: SplitPlan) -> TrainingData:
    """Split the reference without production rows.

    A share of the reference rows, which are selected with the seed, is held out. Rows that the champion was trained on,
    with another seed or share, are not held out.

    Raises:
        TrainingError: the holdout lacks a class.
    """
    digests = _digests(frame, contract)
    is_held_out = in_holdout(digests, plan.seed, plan.reference_holdout_share)
    holdout = frame[is_held_out & ~np.isin(digests, champion_rows)]
    if holdout[contract.label.name].nunique() < 2:
        raise TrainingError(
            f"{len(holdout):,} of {counted(len(frame), 'reference row')} can be held out, but they do not have "
            "both classes.",
            next_step="Provide more reference rows, or increase PMMDS_TRAIN_HOLDOUT_SHARE.",
        )
    train = frame[~is_held_out]
    return TrainingData(train, holdout, "reference", len(train), 0, 0, 0)


def split_with_labels(
    reference: pd.DataFrame, labeled: pd.DataFrame, champion_rows: Digests, contract: Contract, plan: SplitPlan
) -> TrainingData | TooFewLabels:
    """Split the rows for a retraining.

    Args:
        reference: reference rows.
        labeled: production rows with their labels, oldest first.
        champion_rows: an array of shape (n,) with the digests of the champion's training rows.
        contract: names the columns.
        plan: the shares and the minimum number of labels.

    Returns:
        The newest labeled rows as holdout and the others as training rows, or the reason why there are too few labels.
    """
    labeled_digests = _digests(labeled, contract)
    is_new = ~np.isin(labeled_digests, champion_rows)
    n_new = int(is_new.sum())
    if n_new < plan.min_labels:
        return TooFewLabels(n_new, plan.min_labels, _too_few(n_new, plan.min_labels))
    n_holdout = max(1, round(n_new * plan.production_holdout_share))
    position = np.flatnonzero(is_new)[-n_holdout:]
    holdout = labeled.iloc[position]
    unfit = _why_unfit(holdout[contract.label.name])
    if unfit:
        return TooFewLabels(n_new, plan.min_labels, f"The newest {counted(n_holdout, 'labeled row')} {unfit}.")
    split = _assemble(reference, labeled, position, n_new, contract, plan)
    unfit = _why_unfit(split.train[contract.label.name], "train")
    if unfit:
        return TooFewLabels(
            n_new, plan.min_labels, f"The {counted(len(split.train), 'remaining training row')} {unfit}."
        )
    return split


def _why_unfit(labels: pd.Series[int], what_for: Literal["evaluate", "train"] = "evaluate") -> str:
    """Return the reason why a model cannot be trained or evaluated with these labels, or an empty string if it can."""
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if min(n_positive, n_negative) == 0:
        return "are all of one class"
    if min(n_positive, n_negative) < MIN_ROWS_A_CLASS:
        counts = f"include {n_positive} positive and {n_negative} negative ones"
        return f"{counts}; {MIN_ROWS_A_CLASS} of each class are required to {what_for} a model"
    return ""


def _assemble(
    reference: pd.DataFrame,
    labeled: pd.DataFrame,
    position: NDArray[np.int64],
    n_new: int,
    contract: Contract,
    plan: SplitPlan,
) -> TrainingData:
    import pandas as pd

    holdout = labeled.iloc[position]
    held_out = _digests(holdout, contract)
    older = labeled[~np.isin(np.arange(len(labeled)), position)]
    kept_reference = reference[~in_holdout(_digests(reference, contract), plan.seed, plan.reference_holdout_share)]
    n_reference_holdout = len(reference) - len(kept_reference)
    kept_reference, n_first = _without(kept_reference, held_out, contract)
    older, n_second = _without(older, held_out, contract)
    kept_reference, older, left_out = mix_rows(kept_reference, older, contract.feature_names, plan.seed, plan.mix)
    train = pd.concat([kept_reference, older], ignore_index=reference.index.name != ROW_KEY)
    held_back = (
        LeftOut("reference", n_reference_holdout, "are the seeded reference holdout (PMMDS_TRAIN_HOLDOUT_SHARE)"),
        LeftOut("reference", n_first, "have the same content as a held-out row"),
        LeftOut("production", n_second, "have the same content as a held-out row"),
    )
    return TrainingData(
        train,
        holdout,
        "production",
        len(kept_reference),
        len(older),
        n_new,
        n_first + n_second,
        tuple(x for x in held_back if x.n_rows) + left_out,
    )


def _without(frame: pd.DataFrame, digests: Digests, contract: Contract) -> tuple[pd.DataFrame, int]:
    """Return `frame` without the rows whose identity is in `digests`, and the number of removed rows."""
    is_held_out = np.isin(_digests(frame, contract), digests)
    return frame[~is_held_out], int(is_held_out.sum())


def in_holdout(digests: Digests, seed: int, share: float) -> NDArray[np.bool_]:
    """Return True for a seeded share of the digests, as an array of shape (n,).

    Equal digests get equal values.
    """
    is_held_out: NDArray[np.bool_] = seeded_uniform(digests, seed) < share
    return is_held_out


def check_leakage(
    holdout: pd.DataFrame, challenger_rows: Digests, champion_rows: Digests, contract: Contract
) -> LeakageCheck:
    """Count the holdout rows that each model was trained on."""
    digests = _digests(holdout, contract)
    return LeakageCheck(
        n_holdout_rows=len(holdout),
        n_in_challenger_training=int(np.isin(digests, challenger_rows).sum()),
        n_in_champion_training=int(np.isin(digests, champion_rows).sum()),
    )


def _digests(frame: pd.DataFrame, contract: Contract) -> Digests:
    return keys_of(frame, contract.feature_names)


def _too_few(n_new: int, required: int) -> str:
    return (
        f"There {plural(n_new, 'is', 'are')} {counted(n_new, 'labeled row')} that the champion was not "
        f"trained on; {required} are required."
    )
