"""The expectation suite in a separate process."""

from __future__ import annotations

import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.data import suite_process
from pmmds_core.data.expectations import run_suite
from pmmds_core.stores.files.reference_source import packaged_sample


@pytest.fixture
def sample(contract: Contract) -> pd.DataFrame:
    return packaged_sample(contract).frame


def test_a_started_process_gives_the_same_result(sample: pd.DataFrame, contract: Contract) -> None:
    broken = sample.assign(churn=0)
    suite_process.start()
    result = suite_process.validate(broken, contract)
    assert result.outcomes == run_suite(broken, contract).outcomes
    assert not result.passed


def test_the_suite_runs_here_if_the_process_was_killed(sample: pd.DataFrame, contract: Contract) -> None:
    suite_process.start()
    (pool,) = suite_process._started
    for process in list(pool._processes.values()):
        process.kill()
    assert suite_process.validate(sample, contract).passed


def test_other_work_runs_while_a_started_process_validates(sample: pd.DataFrame, contract: Contract) -> None:
    calls: list[str] = []
    suite_process.start()
    result = suite_process.validate(sample, contract, lambda: calls.append("ran"))
    assert result.passed
    assert calls == ["ran"]


def test_without_a_started_process_only_the_suite_runs(sample: pd.DataFrame, contract: Contract) -> None:
    calls: list[str] = []
    assert suite_process.validate(sample, contract, lambda: calls.append("ran")).passed
    assert calls == []
