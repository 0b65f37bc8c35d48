"""Generates HTTP load at the maximum rate with wrk. Not here: load at a constant rate (hey.py)."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Print exact counts, because wrk rounds its summary. Lua strings in long brackets need no escapes.
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"n":%%d,"us":%%d,"p50":%%d,"p95":%%d,"p99":%%d,"max":%%d,"bad":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """The results of one run of wrk. Latencies are in milliseconds.

    `n_answered` counts complete responses, and `n_failed` counts errors and responses that are not 2xx or 3xx.
    """

    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    n_failed: int
    n_answered: int


def wrk(url: str, body: object, *, connections: int, seconds: float) -> Load:
    """Send each request as soon as the previous one is answered.

    Raises:
        SystemExit: wrk is not installed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is not installed. Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk.")
    with tempfile.TemporaryDirectory(prefix="pmmds-wrk-") as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_SCRIPT % json.dumps(body).replace("%", "%%"))
        argv = [program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script), url]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in said.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT "))
    milliseconds = {name: found[name] / 1000 for name in ("p50", "p95", "p99", "max")}
    return Load(
        found["n"] / found["us"] * 1e6,
        milliseconds["p50"],
        milliseconds["p95"],
        milliseconds["p99"],
        milliseconds["max"],
        found["bad"],
        found["n"],
    )
