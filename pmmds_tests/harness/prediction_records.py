"""Creates seeded prediction records that meet the contract. Tests can override values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from pmmds_core.contracts.contract import Contract, Feature, FeatureValue
from pmmds_core.stores.predictions.log import PredictionRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_records(
    contract: Contract,
    n_rows: int,
    *,
    start: datetime = NOON,
    step: timedelta = timedelta(seconds=1),
    prefix: str = "r",
    version: str = "1",
    seed: int = 0,
    overrides: dict[str, FeatureValue] | None = None,
) -> list[PredictionRecord]:
    """Return records whose ids are `prefix` plus a number.

    The first is at `start`, and the others follow at intervals of `step`.
    """
    random = np.random.default_rng(seed)
    fixed = overrides or {}
    records = []
    for i in range(n_rows):
        features = tuple(fixed[f.name] if f.name in fixed else _value(f, random) for f in contract.features)
        probability = float(random.random())
        name = contract.model_name
        records.append(
            PredictionRecord(
                f"{prefix}{i}", start + i * step, name, version, int(probability > 0.5), probability, 1.5, features
            )
        )
    return records


def _value(feature: Feature, random: np.random.Generator) -> FeatureValue:
    if not feature.is_numeric:
        return str(random.choice(np.array(feature.values)))
    low, high = feature.minimum or 0.0, feature.maximum if feature.maximum is not None else 100.0
    if feature.type == "integer":
        return int(random.integers(int(low), int(high) + 1))
    return float(random.uniform(low, high))


def columns_of(contract: Contract, records: list[PredictionRecord]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the records' features as columns for `reference_profile`."""
    columns = zip(*(r.features for r in records), strict=True)
    return {
        f.name: np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        if f.is_numeric
        else np.array(values, dtype=object)
        for f, values in zip(contract.features, columns, strict=True)
    }
