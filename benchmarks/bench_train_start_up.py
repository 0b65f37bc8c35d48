"""Measure the wall time of `pmmds train`, compared with importing Great Expectations, which it uses.

PMMDS_DATA_PATH=telco.csv python -m benchmarks.bench_train_start_up [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

IMPORT = (sys.executable, "-c", "import great_expectations")
TRAIN = (str(Path(sys.executable).with_name("pmmds")), "train")
MAX_RATIO = 1.6


def seconds_of(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return a command's wall time in seconds. Raise an error if the command fails."""
    begin = time.perf_counter()
    subprocess.run(command, env=dict(environment), check=True, capture_output=True)
    return time.perf_counter() - begin


def measure() -> tuple[float, float]:
    """Return how long the import and a training in an empty home take, in seconds."""
    with TemporaryDirectory() as home:
        environment = {**os.environ, "PMMDS_HOME": home}
        return seconds_of(IMPORT, environment), seconds_of(TRAIN, environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    pairs = [measure() for _ in range(parser.parse_args().repeats)]
    imports, trainings = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import great_expectations: {imports:.1f} s, pmmds train: {trainings:.1f} s")
    print(f"ratio {trainings / imports:.2f}, target at most {MAX_RATIO}")


if __name__ == "__main__":
    main()
