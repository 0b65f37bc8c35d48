"""Fixture: the rows that the tests of file drift write in many formats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pmmds_tests.core.file_drift.one_column_files import N


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "plan": rng.choice(["a", "b", "c"], N, p=[0.5, 0.3, 0.2]),
            "active": rng.random(N) < 0.7,
            "amount": np.round(rng.gamma(2, 50, N), 2),
            "day": pd.date_range("2026-05-01", periods=N, freq="h"),
        }
    )
