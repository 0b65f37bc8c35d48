"""Runs a real Prometheus server with its own folder and port. Not here: queries and rules (deploy/)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import PATIENCE_SECONDS, STOP_SECONDS, wait_until
from pmmds_tests.harness.system_programs import system_program


class Prometheus:
    """A running server and its HTTP API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current result of an expression. Fail the test if Prometheus rejects it."""
        answer = self._client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float:
        """Return the current value of an expression that has exactly one value."""
        (sample,) = self.query(expression)
        return float(sample["value"][1])

    def has_numbers(self, expression: str) -> bool:
        """Return True if an expression has at least one value that is not NaN."""
        return any(sample["value"][1] not in ("NaN", "+Inf", "-Inf") for sample in self.query(expression))

    def rules(self) -> list[dict[str, Any]]:
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def running_prometheus(folder: Path, target: str, rules: Path) -> Iterator[Prometheus]:
    """Run a server within the block that scrapes `target` (host:port) and evaluates `rules` every second."""
    binary, address = system_program("prometheus"), f"127.0.0.1:{free_port()}"
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
        f"rule_files: ['{rules}']\n"
        f"scrape_configs: [{{job_name: pmmds, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with log.open("w") as stream:
        process = subprocess.Popen([binary, *arguments], stdout=stream, stderr=subprocess.STDOUT, cwd=folder)
    server = Prometheus(f"http://{address}")
    try:

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            return server.is_ready()

        wait_until(is_ready)
        yield server
    finally:
        server.close()
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_numbers(server: Prometheus, expressions: list[str], seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Wait until every expression has numeric values. Return the expressions that have none after `seconds`."""
    deadline, missing = time.monotonic() + seconds, expressions
    while missing and time.monotonic() < deadline:
        missing = [e for e in missing if not server.has_numbers(e)]
        time.sleep(0.5 if missing else 0)
    return missing
