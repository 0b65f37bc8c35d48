"""Runs the Great Expectations suite in a separate process, so that its import does not delay a command.

The import takes seconds. `start` begins the import in the background, while the command imports Dagster and reads the
data. `validate` calls a function while it waits for the result. Not here: the expectations (expectations.py), what is
called (workflows/training_preparation.py).
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.expectations import SuiteResult, run_suite

if TYPE_CHECKING:
    import pandas as pd

_started: list[ProcessPoolExecutor] = []


def start() -> None:
    """Start the process, which then imports the library. `validate` uses the process once."""
    pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
    pool.submit(_import_library)
    _started.append(pool)


def validate(frame: pd.DataFrame, contract: Contract, meanwhile: Callable[[], object] = lambda: None) -> SuiteResult:
    """Run the suite like `run_suite`, but in the process that `start` created.

    The suite runs in this process if no other process was started or if that process was killed.

    Args:
        frame: the rows, as in `run_suite`.
        contract: the contract of the rows.
        meanwhile: called in this process while the started process works. It is not called if no process was started.

    Raises the same errors as `run_suite`, and those of `meanwhile`.
    """
    if not _started:
        return run_suite(frame, contract)
    pool = _started.pop()
    try:
        result = pool.submit(run_suite, frame, contract)
        meanwhile()
        return result.result()
    except BrokenProcessPool:
        return run_suite(frame, contract)
    finally:
        pool.shutdown(wait=False)


def _import_library() -> None:
    importlib.import_module("great_expectations")
