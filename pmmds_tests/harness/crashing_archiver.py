"""Archives a day, but kills itself before a given step: `python -m pmmds_tests.harness.crashing_archiver DAY STEP`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.stores.predictions import archive, parquet_rows

STEPS: dict[str, tuple[Any, str]] = {
    "the file is verified": (parquet_rows, "read_back"),
    "the file has its name": (Path, "rename"),
    "rows are taken out": (archive.PredictionArchive, "_take_out"),
    "it is committed": (archive, "_count_again"),
}


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(day: str, step: str) -> None:
    """Archive a day, but kill this process with SIGKILL before `step`."""
    archive: Callable[[datetime], object] = Deployment.from_environment().archive.archive
    where, name = STEPS[step]
    setattr(where, name, killed)
    archive(datetime.fromisoformat(day))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
