"""Which of the rows that may be trained on are: the recency and mix that the settings ask for, with reasons. Pure.

Reference rows are sampled by a seeded hash of what names them (row_identity): the same rows are chosen in any run.
Keep out: what is held out (split.py), reading rows (stores).
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

if TYPE_CHECKING:
    import pandas as pd

# The labelled data set says when a row was answered, as prediction_logs does: no feature may have this name.
PREDICTED_AT = "predicted_at"


@dataclass(frozen=True)
class MixSettings:
    """What may be trained on. 0 for the age, the rows: no bound. A share of 1: no bound.

    `max_age_days` counts for the holdout too: a row too old to learn from is too old to judge by.
    """

    max_age_days: float = 0
    max_production_rows: int = 0
    max_reference_share: float = 1
    min_reference_rows: int = 0


EVERYTHING = MixSettings()


@dataclass(frozen=True)
class LeftOut:
    """Rows that were there and are not trained on. `rows`: reference or production."""

    rows: str
    n_rows: int
    reason: str

    @property
    def words(self) -> str:
        return f"{self.n_rows:,} {self.rows} rows {self.reason}"


def leave_out_old(
    labelled: pd.DataFrame, predicted_at: NDArray[np.datetime64], now: datetime, mix: MixSettings
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """Labelled rows that are young enough.

    Args:
        labelled: production rows with their labels, oldest first.
        predicted_at: (n,) datetime64 in UTC.
        now: from which the age counts, in UTC.
        mix: the bound.
    """
    if not mix.max_age_days:
        return labelled, ()
    oldest = now.replace(tzinfo=None) - timedelta(days=mix.max_age_days)
    is_young = predicted_at >= np.datetime64(oldest)
    why = f"are from before {oldest:%Y-%m-%d %H:%M} UTC (PMMDS_TRAIN_PRODUCTION_MAX_AGE_DAYS={mix.max_age_days:g})"
    return labelled[is_young], _some("production", int((~is_young).sum()), why)


def mix_rows(
    reference: pd.DataFrame, production: pd.DataFrame, columns: tuple[str, ...], seed: int, mix: MixSettings
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[LeftOut, ...]]:
    """The rows to fit on.

    Args:
        reference: reference rows that are not held out.
        production: labelled rows that are not held out, oldest first.
        columns: the features, whose content chooses where the rows have no keys.
        seed: of the choice.
        mix: bounds.

    Returns:
        Kept reference rows, kept production rows (the newest), and what was left out.
    """
    n_kept = min(len(production), mix.max_production_rows or len(production))
    why = f"are older than the newest {n_kept:,} (PMMDS_TRAIN_PRODUCTION_MAX_ROWS={mix.max_production_rows})"
    left_out = _some("production", len(production) - n_kept, why)
    production = production.iloc[len(production) - n_kept :]
    n_reference = _reference_rows(len(reference), n_kept, mix)
    why = f"would make more than {mix.max_reference_share:.0%} of them reference (PMMDS_TRAIN_REFERENCE_MAX_SHARE"
    if n_reference == mix.min_reference_rows:
        why += f", of which PMMDS_TRAIN_REFERENCE_MIN_ROWS={mix.min_reference_rows} are kept all the same"
    left_out += _some("reference", len(reference) - n_reference, f"{why})")
    if n_reference < len(reference):
        order = np.argsort(seeded_uniform(keys_of(reference, columns), seed), kind="stable")
        reference = reference.iloc[np.sort(order[:n_reference])]
    return reference, production, left_out


def _reference_rows(n_reference: int, n_production: int, mix: MixSettings) -> int:
    """How many are kept: share / (1 - share) for each production row, and never fewer than the least."""
    if mix.max_reference_share >= 1 or n_production == 0:
        return n_reference
    allowed = int(n_production * mix.max_reference_share / (1 - mix.max_reference_share))
    return min(n_reference, max(allowed, mix.min_reference_rows))


def mix_document(
    mix: MixSettings, as_of: datetime, n_reference: int, n_production: int, left_out: tuple[LeftOut, ...]
) -> dict[str, Any]:
    """What is recorded of the mix with the data set."""
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
    """The mix in one line, as the model's tag, its card and `pmmds explain` say it; empty where none is recorded."""
    if not document:
        return ""
    parts = f"{document['n_reference']:,} reference and {document['n_production']:,} production rows"
    left = "; ".join(LeftOut(**x).words for x in document["left_out"])
    return f"{parts}; left out: {left}" if left else parts


def _some(rows: str, n_rows: int, reason: str) -> tuple[LeftOut, ...]:
    return (LeftOut(rows, n_rows, reason),) if n_rows else ()
