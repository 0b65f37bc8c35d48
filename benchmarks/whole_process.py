"""Runs a new process and measures wall time, processor time and peak resident memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A child's peak includes its parent's memory at the fork, so a small helper process starts each command.
WATCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
seconds, cpu_seconds = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
print(json.dumps([seconds, cpu_seconds, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""


@dataclass(frozen=True)
class Run:
    """The wall time and processor time of a process in seconds, and its peak resident memory in MiB.

    Compare `cpu_seconds` if the machine has other load.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    printed: str = ""


def run(argv: Sequence[str], environment: Mapping[str, str] | None = None, *, allowed: Sequence[int] = (0,)) -> Run:
    """Run `argv` with `environment` added to this process's environment.

    Raises RuntimeError if the exit code is not in `allowed`.
    """
    variables = {**os.environ, **(environment or {})}
    # Allow the bytecode cache. Without it, every start would compile all libraries, which does not happen in normal
    # use.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    watched = [sys.executable, "-c", WATCH, *argv]
    done = subprocess.run(watched, env=variables, capture_output=True, text=True, check=True)
    seconds, cpu_seconds, peak_mb, code = json.loads(done.stdout)
    if code not in allowed:
        raise RuntimeError(f"{argv[:4]} ended with {code}:\n{done.stderr[-3000:]}")
    return Run(seconds, cpu_seconds, peak_mb, done.stderr)


def median(runs: Sequence[Run]) -> Run:
    """Return the median of each kind of measurement."""
    columns = ((r.seconds, r.cpu_seconds, r.peak_mb) for r in runs)
    return Run(*(statistics.median(column) for column in zip(*columns, strict=True)))
