"""Selects training rows by the recency and mix settings, and records the excluded rows with the reason.

Reference rows are sampled by a seeded hash of their identity (data/row_identity.py), so every run selects the same
rows. Not here: the holdout (split.py), reading rows (stores).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.data.row_identity import keys_of
from pmmds_core.data.seeded_sampling import seeded_uniform
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    import pandas as pd

# The timestamp column of the labeled data set, named as in prediction_logs. No feature may have this name.
PREDICTED_AT = "predicted_at"


@dataclass(frozen=True)
class MixSettings:
    """The limits on the training rows.

    The age and the number of rows are unlimited if the limit is 0, and the share is unlimited if the limit is 1.
    `max_age_days` also applies to the holdout, because rows that are too old for training are too old for evaluation.
    """

    max_age_days: float = 0
    max_production_rows: int = 0
    max_reference_share: float = 1
    min_reference_rows: int = 0


EVERYTHING = MixSettings()


@dataclass(frozen=True)
class LeftOut:
    """Available rows that are not used for training. `rows` is either `reference` or `production`."""

    rows: str
    n_rows: int
    reason: str

    @property
    def text(self) -> str:
        return f"{self.n_rows:,} {self.rows} rows {self.reason}"


def leave_out_old(
    labeled: pd.DataFrame, predicted_at: NDArray[np.datetime64], now: datetime, mix: MixSettings
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """Return the labeled rows within the maximum age, and the excluded rows.

    Args:
        labeled: production rows with their labels, oldest first.
        predicted_at: an array of shape (n,) with datetime64 values in UTC.
        now: reference time for the age, in UTC.
        mix: the settings with the maximum age.
    """
    if not mix.max_age_days:
        return labeled, ()
    oldest = now.replace(tzinfo=None) - timedelta(days=mix.max_age_days)
    is_recent = predicted_at >= np.datetime64(oldest)
    why = f"are from before {oldest:%Y-%m-%d %H:%M} UTC (PMMDS_TRAIN_PRODUCTION_MAX_AGE_DAYS={mix.max_age_days:g})"
    return labeled[is_recent], _some("production", int((~is_recent).sum()), why)


def mix_rows(
    reference: pd.DataFrame, production: pd.DataFrame, columns: tuple[str, ...], seed: int, mix: MixSettings
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[LeftOut, ...]]:
    """Select the rows for fitting a model.

    Args:
        reference: reference rows that are not held out.
        production: labeled rows that are not held out, oldest first.
        columns: the features, which identify rows without keys.
        seed: seed of the sample.
        mix: the limits.

    Returns:
        Selected reference rows, selected production rows (the newest), and the excluded rows.
    """
    n_kept = min(len(production), mix.max_production_rows or len(production))
    why = f"are older than the newest {n_kept:,} (PMMDS_TRAIN_PRODUCTION_MAX_ROWS={mix.max_production_rows})"
    left_out = _some("production", len(production) - n_kept, why)
    production = production.iloc[len(production) - n_kept :]
    n_reference = _reference_rows(len(reference), n_kept, mix)
    why = f"would exceed the reference share of {mix.max_reference_share:.0%} (PMMDS_TRAIN_REFERENCE_MAX_SHARE"
    if n_reference == mix.min_reference_rows:
        why += f"; PMMDS_TRAIN_REFERENCE_MIN_ROWS={mix.min_reference_rows} are always kept"
    left_out += _some("reference", len(reference) - n_reference, f"{why})")
    if n_reference < len(reference):
        order = np.argsort(seeded_uniform(keys_of(reference, columns), seed), kind="stable")
        reference = reference.iloc[np.sort(order[:n_reference])]
    return reference, production, left_out


def _reference_rows(n_reference: int, n_production: int, mix: MixSettings) -> int:
    """Return the number of reference rows to keep.

    This is share / (1 - share) per production row, or the minimum if the minimum is larger.
    """
    if mix.max_reference_share >= 1 or n_production == 0:
        return n_reference
    allowed = int(n_production * mix.max_reference_share / (1 - mix.max_reference_share))
    return min(n_reference, max(allowed, mix.min_reference_rows))


def mix_document(
    mix: MixSettings, as_of: datetime, n_reference: int, n_production: int, left_out: tuple[LeftOut, ...]
) -> dict[str, Any]:
    """Return the description of the mix that is stored with the data set."""
    n_rows = n_reference + n_production
    return {
        "settings": asdict(mix),
        "as_of": as_of.isoformat(),
        "n_reference": n_reference,
        "n_production": n_production,
        "reference_share": n_reference / n_rows if n_rows else None,
        "left_out": [asdict(x) for x in left_out],
    }


def mix_text(document: Mapping[str, Any]) -> str:
    """Describe the mix in one line for the model's tag, the model card and `pmmds explain`.

    The text is empty if the mix was not recorded.
    """
    if not document:
        return ""
    parts = f"{document['n_reference']:,} reference and {counted(document['n_production'], 'production row')}"
    left = "; ".join(LeftOut(**x).text for x in document["left_out"])
    return f"{parts}; left out: {left}" if left else parts


def _some(rows: str, n_rows: int, reason: str) -> tuple[LeftOut, ...]:
    return (LeftOut(rows, n_rows, reason),) if n_rows else ()
