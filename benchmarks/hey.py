"""Generates HTTP load at a constant rate with hey. Not here: load at the maximum rate (load.py)."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

N_CONNECTIONS = 8
# hey counts at most a million responses, so longer runs are split.
MAX_ANSWERS = 900_000


@dataclass(frozen=True)
class Steady:
    """The results of one run of hey.

    Latencies are in milliseconds. `statuses` counts the responses with each HTTP status.
    """

    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    statuses: dict[str, int]
    has_errors: bool

    @property
    def n_answered(self) -> int:
        """Return the number of responses with status 200."""
        return self.statuses.get("200", 0)

    @property
    def is_clean(self) -> bool:
        """Return True if every response has status 200."""
        return not self.has_errors and set(self.statuses) == {"200"}


def hey(url: str, body: Path, *, seconds: float, rate: int, connections: int = N_CONNECTIONS) -> Steady:
    """POST the JSON in `body` at a constant rate, spread over the connections. Delayed connections do not catch up.

    Raises:
        SystemExit: hey is not installed.
    """
    program = shutil.which("hey")
    if program is None:
        raise SystemExit("hey is not installed. Debian and Ubuntu: apt-get install hey; macOS: brew install hey.")
    argv = [program, "-z", f"{seconds:.0f}s", "-c", str(connections), "-q", str(rate // connections)]
    argv += ["-m", "POST", "-T", "application/json", "-D", str(body), url]
    return read(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def read(said: str) -> Steady:
    """Parse hey's summary. Raises SystemExit if a line is missing."""
    p50, p95, p99 = (_number(rf"{percent}%%? in ([0-9.]+) secs", said) * 1000 for percent in (50, 95, 99))
    statuses = {code: int(n) for code, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", said)}
    longest = _number(r"Slowest:\s+([0-9.]+)", said) * 1000
    rate = _number(r"Requests/sec:\s+([0-9.]+)", said)
    return Steady(rate, p50, p95, p99, longest, statuses, "Error distribution" in said)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"hey printed no line like {pattern!r}:\n{text}")
    return float(found[1])
