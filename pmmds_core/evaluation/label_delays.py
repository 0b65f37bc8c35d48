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
    """The delays of the labels in seconds, with one entry per labeled request in arrays of shape (n,).

    A delay is negative if the clocks differ. `to_observation` is the time until the current label was observed.
    `to_arrival` is the time until the first label of the request arrived.
    """

    to_observation: Seconds
    to_arrival: Seconds

    def rows(self) -> list[dict[str, Any]]:
        """Return table rows with quantiles of each delay in hours.

        The rows also have the number of labels that are dated before their prediction.
        """
        named = {"observed": self.to_observation, "received": self.to_arrival}
        return [{"delay": name, **_quantiles(values)} for name, values in named.items()]

    def shares(self) -> dict[str, float]:
        """Return the share of labels that arrived within each period, or an empty dictionary if there are no labels."""
        if not self.to_arrival.size:
            return {}
        return {name: float(np.mean(self.to_arrival <= seconds)) for name, seconds in _STEPS.items()}


def _quantiles(seconds: Seconds) -> dict[str, Any]:
    row: dict[str, Any] = {"n_labels": int(seconds.size)}
    for name, share in _QUANTILES.items():
        row[f"{name}, hours"] = float(np.quantile(seconds, share)) / _HOUR if seconds.size else None
    return {**row, "before the prediction": int((seconds < 0).sum())}
