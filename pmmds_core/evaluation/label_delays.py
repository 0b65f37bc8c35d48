"""Computes label delays: the time from a prediction to the label's observation and to its arrival.

Not here: reading labels (stores/predictions/labels.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
_QUANTILES = {"median": 0.5, "90%": 0.9, "99%": 0.99, "maximum": 1.0}
_HOUR, _DAY = 3600.0, 86400.0
_STEPS = {"within an hour": _HOUR, "within a day": _DAY, "within a week": 7 * _DAY, "within 30 days": 30 * _DAY}


@dataclass(frozen=True)
class LabelDelays:
    """Delays in seconds, (n,) each, one entry per labeled request; negative if the clocks differ.

    `to_observation`: until the current label was observed. `to_arrival`: until the first label of the request arrived.
    """

    to_observation: Seconds
    to_arrival: Seconds

    def rows(self) -> list[dict[str, Any]]:
        """Table rows: quantiles of each delay in hours, and the number of labels dated before their prediction."""
        named = {"observed": self.to_observation, "received": self.to_arrival}
        return [{"delay": name, **_quantiles(values)} for name, values in named.items()]

    def shares(self) -> dict[str, float]:
        """Share of labels that arrived within each period; empty without labels."""
        if not self.to_arrival.size:
            return {}
        return {name: float(np.mean(self.to_arrival <= seconds)) for name, seconds in _STEPS.items()}


def _quantiles(seconds: Seconds) -> dict[str, Any]:
    row: dict[str, Any] = {"n_labels": int(seconds.size)}
    for name, share in _QUANTILES.items():
        row[f"{name}, hours"] = float(np.quantile(seconds, share)) / _HOUR if seconds.size else None
    return {**row, "before the prediction": int((seconds < 0).sum())}
