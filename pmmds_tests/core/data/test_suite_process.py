"""Running the expectation suite in a separate process."""

from __future__ import annotations

import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.data import suite_process
from pmmds_core.stores.files.reference_source import packaged_sample

# Importing Great Expectations is slow, so these tests share one worker process.
pytestmark = pytest.mark.xdist_group("expectations")


@pytest.fixture
def sample(contract: Contract) -> pd.DataFrame:
    return packaged_sample(contract).frame


def test_the_suite_runs_in_a_separate_process_while_other_work_runs(sample: pd.DataFrame, contract: Contract) -> None:
    broken, calls = sample.assign(churn=0), []
    suite_process.start()
    result = suite_process.validate(broken, contract, lambda: calls.append("ran"))
    assert calls == ["ran"]
    # Without a started process, `validate` runs the suite but not the callback.
    assert result.outcomes == suite_process.validate(broken, contract, lambda: calls.append("again")).outcomes
    assert calls == ["ran"]
    assert not result.passed


def test_the_suite_runs_in_the_main_process_if_the_separate_one_was_killed(
    sample: pd.DataFrame, contract: Contract
) -> None:
    suite_process.start()
    (pool,) = suite_process._started
    for process in list(pool._processes.values()):
        process.kill()
    assert suite_process.validate(sample, contract).passed
