"""How long labels take: from the prediction to the observation, and to its arrival here. Keep out: reading them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
_QUANTILES = {"median": 0.5, "90 %": 0.9, "99 %": 0.99, "longest": 1.0}
_HOUR, _DAY = 3600.0, 86400.0
_STEPS = {"within an hour": _HOUR, "within a day": _DAY, "within a week": 7 * _DAY, "within 30 days": 30 * _DAY}


@dataclass(frozen=True)
class LabelDelays:
    """Seconds after the prediction, (n,) each, one per labelled request; negative where the clocks disagree.

    `to_observation`: when the label in force was seen. `to_arrival`: when the first label of the request came.
    """

    to_observation: Seconds
    to_arrival: Seconds

    def rows(self) -> list[dict[str, Any]]:
        """A table: each delay's quantiles in hours, and how many labels claim to precede their prediction."""
        named = {"observed": self.to_observation, "received": self.to_arrival}
        return [{"delay": name, **_quantiles(values)} for name, values in named.items()]

    def shares(self) -> dict[str, float]:
        """Share of labels that had arrived within each span; empty without labels."""
        if not self.to_arrival.size:
            return {}
        return {name: float(np.mean(self.to_arrival <= seconds)) for name, seconds in _STEPS.items()}


def _quantiles(seconds: Seconds) -> dict[str, Any]:
    found: dict[str, Any] = {"n_labels": int(seconds.size)}
    for name, share in _QUANTILES.items():
        found[f"{name}, hours"] = float(np.quantile(seconds, share)) / _HOUR if seconds.size else None
    return {**found, "before the prediction": int((seconds < 0).sum())}
