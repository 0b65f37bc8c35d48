"""Shares a folder that takes long to build: one process of a test run builds it, and all processes read it.

Not here: what is built, copies that a test may change (dagster_platform.copy_of).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pmmds_core.runtime.file_lock import locked_file


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Return the folder that `build` filled, at the same path in every process of this test run.

    The other processes wait while the first one builds. No test may change the folder.

    Args:
        factory: pytest's factory of temporary folders, which also removes this folder.
        name: the name of the folder, which is unique for each kind of content.
        build: a function that fills an empty folder. If the function raises an error, the next process retries.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # Each xdist worker's folder is inside the folder of the run.
    folder, built = root / f"shared-{name}", root / f"shared-{name}.built"
    with locked_file(root / f"shared-{name}.lock"):
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            built.touch()
    return folder
