"""Chooses the candidate from the cross-validated scores.

Not here: the candidates and their cross-validation (pipelines.py), rejecting slow candidates (release.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CandidateScore:
    """The cross-validated ROC-AUC of one candidate, as the mean and the standard deviation over the folds.

    `out_of_fold` has the probability of each training row from the model that was not fitted on that row, with shape
    (n,).
    """

    name: str
    roc_auc: float
    roc_auc_deviation: float
    fold_roc_aucs: tuple[float, ...]
    out_of_fold: NDArray[np.float64] = field(repr=False, compare=False)


def choose(scores: Sequence[CandidateScore]) -> CandidateScore:
    """Return the first candidate within one standard error of the best mean.

    The first candidate is the simplest and fastest. This is the one-standard-error rule of Breiman et al.,
    Classification and Regression Trees (1984), section 3.4.3.
    """
    best = max(scores, key=lambda s: s.roc_auc)
    margin = best.roc_auc_deviation / np.sqrt(len(best.fold_roc_aucs))
    return next(s for s in scores if s.roc_auc >= best.roc_auc - margin)
