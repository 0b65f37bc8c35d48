"""A whole fresh process, from its start to its end: wall time and largest resident memory. Keep out: what is run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A child's peak counts what its parent had when it was made, so a small process stands between.
WATCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""


@dataclass(frozen=True)
class Run:
    """A whole process: wall time in seconds, largest resident memory in MiB, and what it printed."""

    seconds: float
    peak_mb: float
    printed: str = ""


def run(argv: Sequence[str], environment: Mapping[str, str] | None = None, *, allowed: Sequence[int] = (0,)) -> Run:
    """Run `argv` with `environment` added to ours. Raises RuntimeError when it ends with a code not `allowed`."""
    variables = {**os.environ, **(environment or {})}
    # Where Python may not keep what it compiled, every start compiles all libraries anew; nobody runs it so.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    watched = [sys.executable, "-c", WATCH, *argv]
    done = subprocess.run(watched, env=variables, capture_output=True, text=True, check=True)
    seconds, peak_mb, code = json.loads(done.stdout)
    if code not in allowed:
        raise RuntimeError(f"{argv[:4]} ended with {code}:\n{done.stderr[-3000:]}")
    return Run(seconds, peak_mb, done.stderr)


def median(runs: Sequence[Run]) -> Run:
    """The median time, and the median of the peaks."""
    return Run(statistics.median(r.seconds for r in runs), statistics.median(r.peak_mb for r in runs))
