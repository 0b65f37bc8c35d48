"""Log-gamma of arrays compared with math.lgamma."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pmmds_core.statistics.log_gamma import log_gamma


def test_log_gamma_equals_math_lgamma() -> None:
    x = np.geomspace(1e-6, 1e9, 500)
    expected = np.array([math.lgamma(value) for value in x])
    assert np.abs(log_gamma(x) - expected).max() / np.abs(expected).max() < 1e-14
    assert log_gamma(x) == pytest.approx(expected, rel=1e-12, abs=1e-12)
