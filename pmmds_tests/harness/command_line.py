"""Runs `pmmds` as a process with its own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

# These libraries take a long time to import.
HEAVY = {
    "altair",
    "apprise",
    "vl_convert",
    "pandas",
    "dagster",
    "mlflow",
    "sklearn",
    "great_expectations",
    "bentoml",
    "matplotlib",
    "scipy",
}


@dataclass(frozen=True)
class Said:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def sentence(self) -> str:
        """Return the only line on stderr, without the prefix. Fail the test if there are more lines."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("Error: ")


def environment_of(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a process with this home and no other settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(home.parent), "PMMDS_HOME": str(home), **variables}


def pmmds(
    home: Path,
    *arguments: str,
    before: Callable[[], None] | None = None,
    cwd: Path | None = None,
    timeout: float = 1200,
    given: Mapping[str, str] | None = None,
    **variables: str,
) -> Said:
    """Run a command with the variables `given` and `variables`. The child process first calls `before`."""
    done = subprocess.run(
        [sys.executable, "-m", "pmmds_cli.main", *arguments],
        env=environment_of(home, **(given or {}), **variables),
        cwd=cwd or home.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        preexec_fn=before,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def heavy_libraries_of(home: Path, arguments: list[str]) -> set[str]:
    """Return the libraries in HEAVY that a command imports."""
    code = (
        "import sys; from pmmds_cli.application import app\n"
        "try: app(sys.argv[1:], standalone_mode=False)\n"
        "except BaseException as e: print(repr(e), file=sys.stderr)\n"
        f"print(); print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment_of(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    first, *found = done.stdout.splitlines()[-1].split()
    assert first == "LOADED", done.stdout + done.stderr
    return set(found)
