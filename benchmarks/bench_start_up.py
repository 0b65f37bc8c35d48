"""Measure the processor time of complete commands, relative to the import that each of them needs.

Each round runs every program once, so that other load on the machine affects all of them equally.

    python -m benchmarks.bench_start_up [--rounds 5]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.bench_monitor import log_rows
from benchmarks.deployments import temporary_settings, train_versions
from benchmarks.whole_process import Run, median, run

N_ROWS = 2_000
BASES = {name: (sys.executable, "-c", f"import {name}") for name in ("dagster", "sqlalchemy", "typer")}


@dataclass(frozen=True)
class Command:
    """A `pmmds` command, the import to compare it with, and the maximum ratio of their processor times."""

    arguments: tuple[str, ...]
    base: str
    target: float

    @property
    def argv(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "pmmds_cli.main", *self.arguments)


COMMANDS = (
    Command(("--help",), "typer", 1.5),
    Command(("monitor",), "dagster", 3.0),
    Command(("decisions",), "sqlalchemy", 1.5),
    Command(("alerts", "list"), "sqlalchemy", 1.5),
    Command(("status",), "sqlalchemy", 1.5),
)


def measure(rounds: int) -> Mapping[tuple[str, ...], Run]:
    """Return each program's median run. A warm-up round, in which Python compiles the libraries, is not counted."""
    programs = [*BASES.values(), *(command.argv for command in COMMANDS)]
    runs: dict[tuple[str, ...], list[Run]] = {argv: [] for argv in programs}
    for _ in range(rounds + 1):
        for argv in programs:
            runs[argv].append(run(argv, allowed=(0, 1)))  # `pmmds status` exits with code 1 if nothing is running.
    return {argv: median(all_runs[1:]) for argv, all_runs in runs.items()}


def print_ratios(medians: Mapping[tuple[str, ...], Run]) -> None:
    for name, argv in BASES.items():
        print(f"import {name:<18}{medians[argv].cpu_seconds:6.2f} s")
    for command in COMMANDS:
        seconds, base = medians[command.argv].cpu_seconds, medians[BASES[command.base]].cpu_seconds
        shown = f"pmmds {' '.join(command.arguments)}"
        print(f"{shown:<25}{seconds:6.2f} s  {seconds / base:5.2f} x import {command.base} (target {command.target:g})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with temporary_settings() as settings:
        deployment = train_versions(settings, 1)
        now = datetime.now(UTC)
        log_rows(deployment, N_ROWS, now - timedelta(hours=5), now, "row-")
        medians = measure(rounds)
    print_ratios(medians)


if __name__ == "__main__":
    main()
