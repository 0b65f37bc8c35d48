"""Which rows are trained on and which are held out; and the proof that the two do not meet.

Reference rows fall to one side by a seeded hash of what names them (row_identity), so the same row always falls to the
same side.
Production rows with labels are split by time: the newest are the holdout of a retraining, new to both models.
Keep out: reading and writing the rows (stores) and fitting (pipelines.py).
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
from pmmds_core.evaluation.holdout_checks import MIN_ROWS_A_CLASS
from pmmds_core.training.mix import EVERYTHING, LeftOut, MixSettings, mix_rows

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
    mix: MixSettings = EVERYTHING


@dataclass(frozen=True)
class TrainingData:
    """Rows to fit on and rows to judge on, with how they came about. Frames: features and label, contract's order.

    `left_out`: rows that are neither, and why.
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
    split = _assemble(reference, labelled, position, n_new, contract, plan)
    unfit = _why_unfit(split.train[contract.label.name], "train")
    if unfit:
        return TooFewLabels(n_new, plan.min_labels, f"The {len(split.train)} rows that are left to train on {unfit}.")
    return split


def _why_unfit(labels: pd.Series[int], what_for: Literal["judge", "train"] = "judge") -> str:
    """Why no model can come of rows with these labels, before one is trained in vain; empty when one can."""
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if min(n_positive, n_negative) == 0:
        return f"are all of one class, so nothing can be {'ranked' if what_for == 'judge' else 'learnt'}"
    if min(n_positive, n_negative) < MIN_ROWS_A_CLASS:
        found = f"are {n_positive} positive and {n_negative} negative ones"
        return f"{found}; {MIN_ROWS_A_CLASS} of each class are needed to {what_for} a model"
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
    older = labelled[~np.isin(np.arange(len(labelled)), position)]
    kept_reference = reference[
        ~falls_to_holdout(_digests(reference, contract), plan.seed, plan.reference_holdout_share)
    ]
    n_fall_out = len(reference) - len(kept_reference)
    kept_reference, n_first = _without(kept_reference, held_out, contract)
    older, n_second = _without(older, held_out, contract)
    kept_reference, older, left_out = mix_rows(kept_reference, older, contract.feature_names, plan.seed, plan.mix)
    train = pd.concat([kept_reference, older], ignore_index=reference.index.name != ROW_KEY)
    known = (
        LeftOut("reference", n_fall_out, "are the seeded reference holdout (PMMDS_TRAIN_HOLDOUT_SHARE)"),
        LeftOut("reference", n_first, "have the content of a row that is held out"),
        LeftOut("production", n_second, "have the content of a row that is held out"),
    )
    return TrainingData(
        train,
        holdout,
        "production",
        len(kept_reference),
        len(older),
        n_new,
        n_first + n_second,
        tuple(x for x in known if x.n_rows) + left_out,
    )


def _without(frame: pd.DataFrame, digests: Digests, contract: Contract) -> tuple[pd.DataFrame, int]:
    """`frame` less the rows whose content is in `digests`, and how many those were."""
    is_held_out = np.isin(_digests(frame, contract), digests)
    return frame[~is_held_out], int(is_held_out.sum())


def falls_to_holdout(digests: Digests, seed: int, share: float) -> NDArray[np.bool_]:
    """(n,) bool: a fixed, seeded share of the digests; equal digests fall alike."""
    chosen: NDArray[np.bool_] = seeded_uniform(digests, seed) < share
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
    return keys_of(frame, contract.feature_names)


def _too_few(found: int, needed: int) -> str:
    return f"{found} labelled rows that the champion was not trained on; {needed} are needed."
