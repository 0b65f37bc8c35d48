"""Fixtures for the histogram tests."""

from __future__ import annotations

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.numpy_counts import profile_of


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


@pytest.fixture
def store(database: Database, contract: Contract) -> HistogramStore:
    return HistogramStore(database, contract)


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    return profile_of(contract)
