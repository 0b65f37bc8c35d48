"""Computes ln Γ of an array without scipy, because importing scipy.special takes five times the CPU time of importing
numpy.

See docs/decisions/0040 for the measurement. Tests compare the results with math.lgamma.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_SHIFT = 8
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_gamma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln Γ(x) elementwise for x > 0, to about 1e-12 relative to the larger of 1 and the value.

    Evaluates Stirling's series at x + 8 (Abramowitz and Stegun 1964, 6.1.41), then applies the recurrence 6.1.15.
    """
    z = x + _SHIFT
    inverse = 1 / (z * z)
    series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / z
    rising = x.copy()
    for i in range(1, _SHIFT):
        rising *= x + i
    result: NDArray[np.float64] = (z - 0.5) * np.log(z) - z + _HALF_LOG_TWO_PI + series - np.log(rising)
    return result
